"""``python -m training evidence``: pages from stored results. Nothing is trained, nothing is measured again."""

from __future__ import annotations

import json
from pathlib import Path

from models import SPECS
from training.ablation import study
from training.evidence.pages import index, page
from training.evidence.plots import draw

__all__ = ["write"]


def write(folder: Path) -> list[Path]:
    """The page of every model that has a result in `folder`/results, its plots, and the index; returns what was written.

    Raises
    ------
    FileNotFoundError
        There is no result at all.
    """
    stored = {model: folder / "results" / f"{model}.json" for model in SPECS}
    results = {model: json.loads(path.read_text()) for model, path in stored.items() if path.exists()}
    if not results:
        raise FileNotFoundError(f"{folder / 'results'} holds no result: run python -m training ablate MODEL first")
    written = [_written(folder / "index.md", index(results))]
    for model, result in results.items():
        written += [_written(folder / f"{model}.md", page(study(model), result)), *draw(study(model), result, folder / "plots")]
    return written


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
