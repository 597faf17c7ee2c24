"""The gate's model card: who is let through and who is refused, with intervals, on pictures that trained nothing."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import beta

from models.gate import EXPECTED, GATE, Part, judge, passing
from training.gate.data import Examples
from training.graphs import run_onnx

LEVEL = 0.95
COLUMNS = (
    "a model that reads", "right ones refused", "the same with a header that states the part", "wrong ones let through",
    "turned ones let through",
)  # fmt: skip


def write_card(out: Path, pictures: dict[str, Examples], training_data: str, trained_on: int) -> None:
    """Write card.md and confusion.png beside the artifact."""
    sections = [HEAD.format(training_data=training_data, count=trained_on, size=GATE.size)]
    figure, axes = plt.subplots(1, len(pictures), figsize=(5 * len(pictures), 4.4), layout="constrained", squeeze=False)
    for axis, (name, examples) in zip(axes[0], pictures.items(), strict=True):
        answers = run_onnx(out / "model.onnx", {GATE.thumbnail: examples.thumbnails})
        sections.append(f"## {name.capitalize()}\n\n{_table(examples, answers)}")
        _confusion(axis, examples, answers[GATE.part], name)
    figure.savefig(out / "confusion.png", dpi=100)
    plt.close(figure)
    (out / "card.md").write_text("\n\n".join(sections) + "\n")


def refusals(examples: Examples, answers: dict[str, NDArray[np.float32]], expected: Part, *, stated: bool = False) -> NDArray[np.bool_]:
    """Which pictures a model that reads `expected` would not get; `stated` where their headers name the part."""
    cases = zip(answers[GATE.part], answers[GATE.orientation], examples.thumbnails, strict=True)
    return np.array([bool(judge(expected, *case, stated=stated).refusal) for case in cases])


def share(count: int, total: int) -> str:
    """Per cent with its Clopper-Pearson interval."""
    low = beta.ppf((1 - LEVEL) / 2, count, total - count + 1) if count else 0.0
    high = beta.ppf((1 + LEVEL) / 2, count + 1, total - count) if count < total else 1.0
    return f"{100 * count / total:.1f} % ({100 * low:.1f}-{100 * high:.1f}) of {total}"


def _table(examples: Examples, answers: dict[str, NDArray[np.float32]]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    for name in dict.fromkeys(EXPECTED.values()):
        refused = refusals(examples, answers, name)
        right = np.isin(examples.parts, [GATE.parts.index(part) for part in passing(name)])
        upright = examples.turns == 0 if name in GATE.upright_parts else np.ones_like(right)
        named = refusals(examples, answers, name, stated=True)
        groups = [(refused, right & upright), (named, right & upright), (~refused, ~right), (~refused, right & ~upright)]
        shares = (share(int((which & of).sum()), int(of.sum())) if of.any() else "none at hand" for which, of in groups)
        lines.append(f"| {name} | {' | '.join(shares)} |")
    return "\n".join(lines)


def _confusion(axis: Axes, examples: Examples, part: NDArray[np.float32], name: str) -> None:
    counts = np.zeros((len(GATE.parts), len(GATE.parts)), int)
    np.add.at(counts, (examples.parts, part.argmax(1)), 1)
    axis.imshow(counts / counts.sum(1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axis.text(column, row, str(count), ha="center", va="center", color="white" if count > counts[row].sum() / 2 else "black")
    axis.set(xticks=range(len(GATE.parts)), yticks=range(len(GATE.parts)), xlabel="seen", ylabel="shown", title=name)
    axis.set_xticklabels(GATE.parts)
    axis.set_yticklabels(GATE.parts)


HEAD = """# The gate

Tells a hip, a chest, a breast, a piece of a breast and a head from each other and from anything else, and a turned picture from
an upright one, on a thumbnail of {size} x {size} pixels. One gate stands before every model; before the breast model, which
reads pieces, a whole mammogram passes with a reservation. Trained on {count} thumbnails: {training_data}.

It refuses on positive evidence only. No radiograph of a real adult hip was at hand: that hips of patients pass follows from
phantoms that were varied far beyond what real films vary, and has to be watched in service (`chiasm_gate_refusals_total`).
Passing the gate is no proof that a picture is suitable.

Films: NIH ChestX-ray14 (Wang et al., CVPR 2017; NIH Clinical Center), CDD-CESM (Khaled et al.), Hannover COVID-19 (Winther et al.),
studyforrest (Hanke et al.), MNI ICBM152, and DICOM conformance files. All pictures of one patient lie on one side of the split. Turned
films are among the real ones as they were found.

![Confusion](confusion.png)"""
