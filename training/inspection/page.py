"""An inspection as one HTML page that needs nothing else: what must be fixed first, then what the cohort holds.

Whatever comes from the cohort is escaped here, where it becomes HTML, and nowhere before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from training.inspection.drawing import bar, figure, histogram
from training.inspection.examine import Inspection
from training.inspection.findings import CHECKS, Evidence, Finding, alternatives, counted
from training.inspection.reading import see
from training.inspection.style import document
from training.inspection.summary import FieldSummary, Levels, Numbers, fields, kinds_of_image, labels, parts, totals

FOOTER = (
    "Rows and files are named as the cohort names them: keep this page where the cohort is kept. Pictures are what the network would see: "
    "cropped, mirrored, resized and stretched as for training."
)
EXAMPLES, EXAMPLE_PICTURES, COMMONEST = 5, 6, 3


def page(inspection: Inspection) -> str:
    """The whole page."""
    evidence = inspection.evidence
    title = f"The cohort {escape(evidence.folder.resolve().name)}"
    body = "\n".join(_sections(inspection))
    return document(title, body)


def verdict(inspection: Inspection) -> str:
    """The outcome in one sentence."""
    fix, look = len(inspection.to_fix), len(inspection.to_look_at)
    if fix:
        return f"{counted(fix, 'thing')} must be fixed before training."
    if look:
        return f"Nothing must be fixed before training; {counted(look, 'thing', 'are')} worth a look."
    return "Nothing was found wrong: ready to train."


def _sections(inspection: Inspection) -> Iterator[str]:
    evidence = inspection.evidence
    yield f"<h1>The cohort {escape(evidence.folder.resolve().name)}</h1>"
    yield f'<p class="soft">Inspected for {escape(evidence.spec.title)}, before training.</p>'
    yield _verdict(inspection)
    yield f'<div class="tiles">{"".join(f"""<div class="tile"><b>{n:,}</b>{name}</div>""" for name, n in totals(evidence).items())}</div>'
    for heading, level, findings in (("Must be fixed", "fix", inspection.to_fix), ("Worth a look", "look", inspection.to_look_at)):
        if findings:
            yield f"<h2>{heading}</h2>" + "\n".join(_card(evidence, finding, level, n) for n, finding in enumerate(findings))
    if evidence.rows:
        yield from _holdings(inspection)
    yield "<h2>What was checked</h2>" + _checked(inspection.findings)
    yield f"<footer>{FOOTER}</footer>"


def _verdict(inspection: Inspection) -> str:
    level = "fix" if inspection.to_fix else "look" if inspection.to_look_at else "good"
    shown = inspection.to_fix or inspection.to_look_at
    sentences = [f'<li><a href="#{level}-{n}">{escape(finding.text)}</a></li>' for n, finding in enumerate(shown)]
    listed = f"<ol>{''.join(sentences)}</ol>" if sentences else ""
    return f'<div class="verdict {level}"><strong>{verdict(inspection)}</strong>{listed}</div>'


def _card(evidence: Evidence, finding: Finding, level: str, number: int) -> str:
    """One finding with a few examples, and pictures of them where they can be read."""
    items = [f"<li><code>{escape(place)}</code></li>" for place in finding.places[:EXAMPLES]]
    if len(finding.places) > EXAMPLES:
        items.append(f'<li class="soft">and {len(finding.places) - EXAMPLES:,} more</li>')
    pictures = "".join(_pictures(evidence, finding.rows[:EXAMPLE_PICTURES]))
    parts_of_card = [f'<p class="said">{escape(finding.text)}</p>', f'<p class="soft">{escape(finding.remedy)}</p>']
    parts_of_card += [f"<ul>{''.join(items)}</ul>"] if items else []
    parts_of_card += [f'<div class="sheet">{pictures}</div>'] if pictures else []
    return f'<div class="card {level}" id="{level}-{number}">{"".join(parts_of_card)}</div>'


def _pictures(evidence: Evidence, rows: Sequence[int]) -> Iterator[str]:
    for index in rows:
        seen = evidence.seen[index]
        if seen.refusal is None:
            kept = seen.pictures or see(evidence.spec, (evidence.rows[index], True)).pictures
            yield from (figure(picture, _caption(evidence, index, name)) for name, picture in kept.items())


def _caption(evidence: Evidence, index: int, name: str) -> str:
    alone = len(evidence.spec.images) == 1
    return f"{evidence.rows[index].place} · {'' if alone else name + ' · '}{alternatives(evidence.label(index)) or 'none'}"


def _holdings(inspection: Inspection) -> Iterator[str]:
    """What the cohort holds: labels, fields, images."""
    evidence = inspection.evidence
    yield "<h2>Labels</h2>"
    for name, rows in parts(evidence).items():
        yield f"<h3>{escape(name)}: {counted(len(rows), 'row')}</h3>" if name != "all" else ""
        yield _labels(evidence, rows)
    yield f"<h2>Fields</h2>{_fields(fields(evidence))}"
    yield f"<h2>Images</h2>{_images(evidence)}"
    pictures = "".join(_pictures(evidence, inspection.shown))
    if pictures:
        yield f'<h3>Some of them, evenly over the tables</h3><div class="sheet">{pictures}</div>'


def _labels(evidence: Evidence, rows: tuple[int, ...]) -> str:
    holds = labels(evidence, rows)
    if isinstance(holds, Levels):
        lines = [
            f'<tr><td>{escape(name)}</td><td class="number">{count:,}</td><td class="number">{count / max(holds.rows, 1):.1%}</td>'
            f'<td class="bar">{bar(count / max(holds.rows, 1))}</td></tr>'
            for name, count in holds.counts.items()
        ]
        return f"<table><tbody>{''.join(lines)}</tbody></table>"
    part = evidence.spec.regressions[0]
    words = f"{part.name} in {part.unit}, {part.scale}: {holds.low:g} to {holds.high:g}, median {holds.median:g}"
    axis = f'<div class="axis"><span>{holds.low:g}</span><span>{holds.high:g} {escape(part.unit)}</span></div>'
    return f'<div class="card"><p>{escape(words)}</p>{histogram(holds.counts, words, large=True)}{axis}</div>'


def _fields(summaries: Sequence[FieldSummary]) -> str:
    head = "".join(f"<th{kind}>{name}</th>" for name, kind in (
        ("field", ""), ("known", ' class="number"'), ("min", ' class="number"'), ("median", ' class="number"'), ("max", ' class="number"'),
        ("allowed", ' class="number"'), ("", ""),
    ))  # fmt: skip
    lines = "".join(_number(each, each.holds) if isinstance(each.holds, Numbers) else _levels(each, each.holds) for each in summaries)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _number(summary: FieldSummary, holds: Numbers) -> str:
    field = summary.field
    outside = f'<span class="warn">{holds.outside:,} outside</span> ' if holds.outside else ""
    told = [f"{value:.4g}" if holds.known else "" for value in (holds.low, holds.median, holds.high)]
    figures = "".join(f'<td class="number">{value}</td>' for value in told)
    drawn = histogram(holds.counts, f"distribution of {field.name}") if holds.known else ""
    return f'{_name(summary)}{figures}<td class="number">{outside}{field.low:g} to {field.high:g}</td><td>{drawn}</td></tr>'


def _levels(summary: FieldSummary, holds: Levels) -> str:
    told = " · ".join(f'{escape(level)} <span class="soft">{count:,}</span>' for level, count in holds.counts.items())
    return f'{_name(summary)}<td colspan="5">{told}</td></tr>'


def _name(summary: FieldSummary) -> str:
    share = summary.holds.known / max(summary.holds.rows, 1)
    unit = f' <span class="soft small">{escape(summary.field.unit)}</span>' if summary.field.unit not in ("", "1") else ""
    return f'<tr><td>{escape(summary.field.name)}{unit}</td><td class="number">{share:.0%}</td>'


def _images(evidence: Evidence) -> str:
    lines = []
    for image in evidence.spec.images:
        kinds = [_commonest(counts) for counts in kinds_of_image(evidence, image.name).values()]
        lines.append(f"<tr><td>{escape(image.name)}</td>{''.join(f'<td>{kind}</td>' for kind in kinds)}</tr>")
    head = "<tr><th>input</th><th>files</th><th>modality</th><th>rows x columns</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def _commonest(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    more = f", {counted(len(ordered) - COMMONEST, 'other')}" if len(ordered) > COMMONEST else ""
    return ", ".join(f"{escape(name)} ({count:,})" for name, count in ordered[:COMMONEST]) + more


def _checked(findings: Sequence[Finding]) -> str:
    worst = {finding.kind: finding.level for finding in sorted(findings, key=lambda each: each.level, reverse=True)}
    items = "".join(f'<li class="{worst.get(kind, "")}">{escape(words)}</li>' for kind, words in CHECKS.items())
    return f'<ul class="checks">{items}</ul>'
