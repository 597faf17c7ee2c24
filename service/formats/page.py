"""The answer as a page that a clinician reads: one HTML file with its pictures inside, for a screen or a printer."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape

from models.prediction import FieldValue, Finding, Measurement, Prediction
from models.spec import ModelSpec
from service.formats.algorithm import Algorithm, is_synthetic
from service.formats.overlay import views
from service.formats.sheet import percent, words

STYLE = """
:root {
  --ink: #16202a; --muted: #5b6770; --line: #d6dce1; --bar: #2f6f9f; --positive: #b85c00; --paper: #fff; --warn: #8a5a00; --soft: #fdf3df }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8ecf0; --muted: #96a0aa; --line: #2c323a; --bar: #6ca6cd; --positive: #f0aa46; --paper: #12151a; --warn: #ffcd46; --soft: #2a2416
} }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 4rem }
h1 { font-size: 1.35rem; margin: 0 }
h2 { font-size: 1rem; color: var(--muted); margin: 2rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1rem }
p { margin: .4rem 0 }
.muted { color: var(--muted) }
.warning { border: 2px solid; background: var(--soft); color: var(--warn); font-weight: 600; border-radius: .4rem; padding: .6rem 1rem }
.sides { display: flex; gap: 2rem; flex-wrap: wrap }
.sides > * { flex: 1 1 22rem; min-width: 0 }
figure { margin: 1.5rem 0 }
img { width: 100%; height: auto; border-radius: .3rem; background: #000 }
.number { font-size: 2.6rem; line-height: 1.1; font-weight: 600 }
.number small { font-size: 1.1rem; font-weight: 400 }
table { border-collapse: collapse; width: 100%; font-size: .95rem }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top; border-bottom: 1px solid var(--line) }
td:nth-child(n + 3) { white-space: nowrap }
th { color: var(--muted); font-weight: 400 }
.bar { position: relative; height: .7rem; background: var(--line); border-radius: .35rem; min-width: 7rem; margin-top: .4rem }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--bar); border-radius: .35rem }
.bar b { position: absolute; top: -.2rem; bottom: -.2rem; width: 2px; background: var(--ink) }
.positive i { background: var(--positive) }
.unproven i { background: var(--muted) }
code { font-size: .8rem; overflow-wrap: anywhere }
@media print { main { max-width: none } }
"""


def render_html(algorithm: Algorithm, prediction: Prediction) -> bytes:
    """The page: numbers, findings and attention beside the image, then reservations, what was read, and which network said so."""
    spec = algorithm.spec
    warning = '<p class="warning">Trained on synthetic phantoms. Not for clinical use.</p>' if is_synthetic(algorithm) else ""
    told = [*map(_measurement, prediction.measurements), _findings(prediction.findings), _attention(prediction)]
    body = f"""<h1>{escape(spec.title)}</h1>
<p class="muted">{escape(spec.intended_use)}</p>{warning}
<div class="sides"><div>{"".join(told)}</div><div>{"".join(_pictures(spec, prediction))}</div></div>
{_reservations(prediction)}{_inputs(prediction)}{_provenance(algorithm)}"""
    title = f"{spec.name} {spec.version}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'.encode()


def _measurement(measurement: Measurement) -> str:
    unit = "" if measurement.unit.startswith("{") else f" <small>{escape(measurement.unit)}</small>"
    number = f"{measurement.value:.3f}" if unit else f"{measurement.value:+.1f}"
    lines = []
    if interval := measurement.interval:
        lines.append(f"{100 * interval.level:.0f} % interval {interval.low:.3f} to {interval.high:.3f}")
    lines += [words(measurement.category)] if measurement.category else []
    lines += [measurement.reference] if measurement.reference else []
    beneath = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f'<h2>{escape(words(measurement.name))}</h2><p class="number">{number}{unit}</p>{beneath}'


def _findings(findings: tuple[Finding, ...]) -> str:
    rows = "".join(map(_finding, findings))
    reasons = dict.fromkeys(finding.reservation for finding in findings if finding.reservation)
    beneath = "".join(f'<p class="muted">unproven: {escape(reason)}</p>' for reason in reasons)
    return f"<h2>Findings</h2><table>{rows}</table>{beneath}" if findings else ""


def _finding(finding: Finding) -> str:
    verdict = "unproven" if finding.reservation else "positive" if finding.positive else "negative"
    filled, tick = f"width:{100 * finding.probability:.1f}%", f"left:{100 * finding.threshold:.1f}%"
    bar = f'<div class="bar {verdict}"><i style="{filled}"></i><b style="{tick}"></b></div>'
    return f"<tr><td>{escape(words(finding.name))}</td><td>{bar}</td><td>{percent(finding.probability)}</td><td>{verdict}</td></tr>"


def _attention(prediction: Prediction) -> str:
    weights = sorted(prediction.metadata_attention, key=lambda each: -each.weight)
    rows = (
        f'<tr><td>{escape(words(each.field))}</td><td><div class="bar"><i style="width:{100 * each.weight:.1f}%"></i></div></td>'
        f"<td>{percent(each.weight)}</td></tr>"
        for each in weights
    )
    return f"<h2>Attention to the metadata</h2><table>{''.join(rows)}</table>" if weights else ""


def _pictures(spec: ModelSpec, prediction: Prediction) -> Iterable[str]:
    for picture in views(spec, prediction):
        target = io.BytesIO()
        picture.save(target, "PNG", compress_level=3)
        data = base64.b64encode(target.getvalue()).decode()
        yield f'<figure><img alt="The image as the network saw it, its attention laid over it" src="data:image/png;base64,{data}"></figure>'


def _reservations(prediction: Prediction) -> str:
    failed = [check for check in prediction.quality if not check.passed]
    rows = "".join(f"<tr><th>{escape(words(check.check))}</th><td>{escape(check.detail)}</td></tr>" for check in failed)
    return f"<h2>Reservations</h2><table>{rows}</table>" if failed else ""


def _inputs(prediction: Prediction) -> str:
    reading = prediction.reading
    fields = [(words(name), _said(each)) for name, each in reading.metadata.items()]
    images = [(words(each.input), f"{each.rows} x {each.columns}, {each.chosen_because}") for each in reading.images]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(said)}</td></tr>" for name, said in [*images, *fields])
    digests = "".join(f"<p><code>{escape(each.input)}: sha256 {each.sha256}</code></p>" for each in reading.images)
    return f"<h2>What was read</h2><table>{rows}</table>{digests}"


def _said(field: FieldValue) -> str:
    if field.value is None:
        return "missing"
    value = field.value if isinstance(field.value, tuple) else (field.value,)
    return f"{', '.join(f'{each:g}' if isinstance(each, float) else words(each) for each in value)} ({field.source})"


def _provenance(algorithm: Algorithm) -> str:
    spec = algorithm.spec
    limits = "".join(f"<p>{escape(each)}</p>" for each in spec.limitations)
    return f"<h2>Network and limits</h2>{limits}<p><code>{spec.name} {spec.version}, {algorithm.digest}, {algorithm.provider}</code></p>"
