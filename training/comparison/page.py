"""Two runs as one HTML page that needs nothing else. Whatever comes from a record is escaped here, where it becomes HTML."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.comparison.difference import Compared, Line, notes
from training.inspection.drawing import png_uri
from training.inspection.style import document
from training.plots import BLUE, ORANGE

COLOURS = (BLUE, ORANGE)


def page(both: Compared, settings: Sequence[Line], reached: Mapping[str, Sequence[Line]]) -> str:
    """The whole page, of the tables that the terminal shows too."""
    title = f"{escape(both.names[0])} and {escape(both.names[1])}"
    return document(title, "\n".join(_sections(both, settings, reached)))


def _sections(both: Compared, settings: Sequence[Line], reached: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    yield f"<h1>{escape(both.names[0])} and {escape(both.names[1])}</h1>"
    yield f'<p class="soft">Two runs of {escape(both.one.spec.title)}.</p>'
    yield "<h2>What differs</h2>"
    yield _table(both, settings) if settings else "<p>Nothing: neither recipe, cohort, code nor environment.</p>"
    yield "<h2>What was reached</h2>"
    for variant, lines in reached.items():
        yield f"<h3>{escape(variant)}</h3>{_curves(both, variant)}{_table(both, lines, change='difference')}"
    yield "".join(f'<p class="soft">{escape(note)}</p>' for note in notes(both))
    yield "<footer>Values with 95 % bootstrap intervals; a difference is the second run's less the first's, on the same rows.</footer>"


def _table(both: Compared, lines: Sequence[Line], change: str = "") -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *both.names, *([change] if change else [])))
    rows = [(line.name, line.one, line.other, *([line.change] if change else [])) for line in lines]
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _curves(both: Compared, variant: str) -> str:
    """Losses and learning rates of all networks of a variant, the runs in one picture."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    losses, rates = figure.subplots(1, 2, width_ratios=(2, 1))
    for run, name, colour in zip((both.one, both.other), both.names, COLOURS, strict=True):
        for n, history in enumerate(run.reached[variant].histories.values() if variant in run.reached else ()):
            epochs = [row["epoch"] + 1 for row in history]
            drawn = ((losses, "validation", "-"), (losses, "train", ":"), (rates, "learning_rate", "-"))
            for axes, column, style in drawn:
                label = f"{name}: {column}" if n == 0 and axes is losses else None
                axes.plot(epochs, [row[column] for row in history], style, marker=".", ms=4, lw=1.2, color=colour, label=label)
    _finish(losses, "loss")
    losses.legend(fontsize=7)
    _finish(rates, "learning rate")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return f'<img class="chart" alt="loss and learning rate of {escape(variant)} by epoch" src="{png_uri(out.getvalue())}">'


def _finish(axes: Axes, label: str) -> None:
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
