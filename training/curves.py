"""What each epoch of a network gave: history.csv always, and TensorBoard's event files where tensorboard is installed."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING

from training.storage import replacing

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

History = list[dict[str, float]]
TAGS = {"train": "loss/train", "validation": "loss/validation", "learning_rate": "learning rate", "seconds": "seconds"}


def has_tensorboard() -> bool:
    """Whether event files can be written."""
    return importlib.util.find_spec("tensorboard") is not None


def read_history(folder: Path) -> History:
    """The epochs of a network so far; none where it has not begun."""
    path = folder / "history.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class Curves:
    """The curves of one network on disk, in its folder.

    Event files cannot be taken back: what an earlier, interrupted training left is written anew, so that no epoch stands there twice.
    """

    def __init__(self, folder: Path, history: History) -> None:
        self._folder = folder
        self._events = self._fresh_events() if has_tensorboard() else None
        for row in history:
            self._add_events(row)
        if history:
            self._write_table(history)

    def add(self, history: History) -> None:
        """The last of the epochs is new."""
        self._write_table(history)
        self._add_events(history[-1])

    def close(self) -> None:
        """Nothing more is added."""
        if self._events is not None:
            self._events.close()

    def _write_table(self, history: History) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
        with replacing(self._folder / "history.csv") as file:
            file.write(text.getvalue().encode())

    def _fresh_events(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  it needs tensorboard, which is optional

        for left in self._folder.glob("events.out.tfevents.*"):
            left.unlink()
        return SummaryWriter(str(self._folder))

    def _add_events(self, row: dict[str, float]) -> None:
        if self._events is None:
            return
        for name, tag in TAGS.items():
            self._events.add_scalar(tag, row[name], int(row["epoch"]))
        self._events.flush()
