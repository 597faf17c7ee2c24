"""Two pictures for each model: every difference with its interval, and how good each variant is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.ablation import Study
from training.evidence.verdicts import BORNE_OUT, YES, Found, Result, findings
from training.evidence.verdicts import NOT_SHOWN as UNDECIDED

mpl.use("Agg")
BLUE, RED, GREY = "#2a6f97", "#d1495b", "#8d99ae"
WIDTH, ROW = 7.0, 0.32  # inches


def draw(study: Study, result: Result, folder: Path) -> list[Path]:
    """MODEL-differences.png and MODEL-variants.png."""
    folder.mkdir(parents=True, exist_ok=True)
    found = findings(study, result)
    drawings: dict[str, tuple[int, Callable[[Axes], None]]] = {
        "differences": (len(found), lambda axes: _differences(axes, study, found)),
        "variants": (len(result["variants"]), lambda axes: _variants(axes, study, result)),
    }
    return [_saved(folder / f"{study.model}-{name}.png", rows, drawing) for name, (rows, drawing) in drawings.items()]


def _saved(path: Path, rows: int, drawing: Callable[[Axes], None]) -> Path:
    figure = Figure(figsize=(WIDTH, 1.1 + ROW * rows), layout="constrained")
    drawing(figure.subplots())
    figure.savefig(path, dpi=90, metadata={"Software": None})
    return path


def _differences(axes: Axes, study: Study, found: list[Found]) -> None:
    """A forest: what lies right of zero is in favour of the first one."""
    for place, each in enumerate(reversed(found)):
        colour = {UNDECIDED: GREY, BORNE_OUT: BLUE, YES: BLUE}.get(each.verdict, RED)
        axes.plot((each.low, each.high), (place, place), color=colour, lw=2)
        axes.scatter(each.seeds, [place] * len(each.seeds), s=9, color=colour, alpha=0.5, lw=0)
        axes.scatter([each.difference], [place], s=36, color=colour, marker="D")
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(found)), [_label(study, each) for each in reversed(found)], fontsize=8)
    axes.set_xlabel(f"difference in {study.metrics[0]} unless told otherwise; right: the first one is better", fontsize=8)
    axes.set_title("Differences with 95 % intervals; dots: single seeds", fontsize=9)


def _label(study: Study, each: Found) -> str:
    asked = each.comparison
    more = [f"{asked.hidden:.0%} hidden"] if asked.hidden else []
    more += [each.metric] if each.metric != study.metrics[0] else []
    return f"{asked.one} - {asked.other}" + (f" ({', '.join(more)})" if more else "")


def _variants(axes: Axes, study: Study, result: Result) -> None:
    metric = study.metrics[0]
    names = list(result["variants"])[::-1]
    triples = np.array([result["variants"][name]["mean"][metric] for name in names])
    for place, (value, low, high) in enumerate(triples):
        axes.plot((low, high), (place, place), color=BLUE, lw=2)
        axes.scatter([value], [place], s=30, color=BLUE)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel(metric, fontsize=8)
    axes.set_title("Every variant on held-out patients, with 95 % intervals", fontsize=9)
