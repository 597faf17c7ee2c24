"""Counts a JUnit report and refuses skips whose reason is not on the list. Usage: verdict.py REPORT ALLOWED_SKIPS."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree  # the report is our own


def allowed_reasons(path: Path) -> list[re.Pattern[str]]:
    """One regular expression a line; blank lines and lines that begin with # are for people."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [re.compile(line) for line in lines if line and not line.startswith("#")]


def main(report: Path, allowed: Path) -> int:
    """Print what was skipped without leave, then the counts; 1 if anything failed or was skipped so."""
    if not report.exists():
        sys.stdout.write("No tests ran.\n0 passed, 1 failed\n")
        return 1
    reasons = allowed_reasons(allowed)
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))  # noqa: S314  our own file
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = [
        (f"{case.get('classname')}::{case.get('name')}", each.get("message", "")) for case in cases for each in case.findall("skipped")
    ]
    unexplained = [(name, why) for name, why in skipped if not any(reason.search(why) for reason in reasons)]
    sys.stdout.writelines(f"Skipped for a reason that is not in {allowed}: {name}: {why}\n" for name, why in unexplained)
    passed = len(cases) - failed - len(skipped)
    sys.stdout.write(f"{passed} passed, {failed + len(unexplained)} failed, {len(skipped) - len(unexplained)} skipped as listed\n")
    return int(bool(failed or unexplained))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
