"""`python -m training compare`: two runs side by side on the terminal, and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.comparison.difference import Compared, Line, compared, notes, reached_lines, setting_lines
from training.comparison.page import page
from training.comparison.reading import read_run
from training.storage import replacing


def compare(one: Path, other: Path, out: Path | None = None) -> None:
    """Print what differs between two runs and what each has reached; write the page where `out` is given."""
    both = compared(read_run(one), read_run(other))
    settings = setting_lines(both)
    reached = {variant: list(reached_lines(both, variant)) for variant in both.variants}
    print("\n".join(_text(both, settings, reached)))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as file:
            file.write(page(both, settings, reached).encode())
        print(f"wrote {out}")


def _text(both: Compared, settings: Sequence[Line], reached: dict[str, list[Line]]) -> list[str]:
    lines = ["What differs:", *(_table([Line("", *both.names), *settings]) if settings else ["nothing"])]
    for variant, some in reached.items():
        lines += ["", f"{variant}:", *_table([Line("", *both.names, "difference"), *some])]
    return [*lines, "", *notes(both)]


def _table(lines: Sequence[Line]) -> list[str]:
    cells = [(line.name, line.one, line.other, line.change) for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
