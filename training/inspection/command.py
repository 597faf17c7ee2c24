"""`python -m training inspect`: the page on disk, its first lines on the terminal, and whether anything must be fixed."""

from __future__ import annotations

from pathlib import Path

from training.inspection.examine import Inspection, examine
from training.inspection.findings import Finding, counted
from training.inspection.page import page, verdict
from training.inspection.summary import totals

EXAMPLES = 2


def inspect(model: str, folder: Path, out: Path) -> int:
    """Inspect a cohort, write the page, print a summary; 1 where something must be fixed, else 0."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder")
    inspection = examine(model, folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(inspection), encoding="utf-8")
    print("\n".join([*_lines(inspection), f"wrote {out}"]))
    return 1 if inspection.to_fix else 0


def _lines(inspection: Inspection) -> list[str]:
    figures = totals(inspection.evidence)
    counts = ", ".join(counted(figures[name], name.removesuffix("s")) for name in ("rows", "patients", "images"))
    told = [line for mark, findings in (("fix ", inspection.to_fix), ("look", inspection.to_look_at)) for line in _told(mark, findings)]
    return [counts, *told, verdict(inspection)]


def _told(mark: str, findings: tuple[Finding, ...]) -> list[str]:
    lines = []
    for finding in findings:
        examples = "; ".join(finding.places[:EXAMPLES])
        more = f" and {len(finding.places) - EXAMPLES:,} more" if len(finding.places) > EXAMPLES else ""
        lines += [f"{mark}  {finding.text}", *([f"      {examples}{more}"] if examples else [])]
    return lines
