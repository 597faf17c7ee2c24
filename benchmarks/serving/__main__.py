"""The service beside its peers: the same full-size networks, files, threads and decoder behind each, every answer checked.

    python -m benchmarks.serving [--models ...] [--payloads ...] [--servers ...] [--seconds S] [--rounds N] [--fresh] [--write FOLDER]

Peers run in .venv/bench, which `make bench` makes; one that cannot be installed or started is left out, and the page says why. What has
been measured is kept in build/bench: a run that was interrupted, or is given more rounds or another part, goes on from there.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.peers.study import CORES
from benchmarks.serving.measure import Plan, Run, machine_settings
from benchmarks.serving.page import page, places, plot
from benchmarks.serving.results import OtherSettingsError, Results
from benchmarks.serving.servers import DEFAULT, KINDS, AbsentError
from benchmarks.serving.studies import PAYLOADS, ROOT, SIZE

WORK = ROOT / "build" / "bench"


def main() -> int:
    """Measure what is missing, then print or write the page."""
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    plan = Plan(tuple(given.models), tuple(given.payloads), tuple(given.servers), given.seconds, given.rounds, given.callers)
    about = machine_settings(plan)
    try:
        results = Results(WORK / "serving.jsonl", about, fresh=given.fresh)
    except OtherSettingsError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"about {plan.estimated_s(results) / 60:.0f} minutes", flush=True)
    run = Run(plan, results, WORK)
    try:
        run.measure()
    except AbsentError as error:
        print(error, file=sys.stderr)
        return 1
    found = list(places(results, run.sent, plan.callers))
    text = page(results, found, about | {"rounds": given.rounds}, run.absent)
    print(text)
    if given.write:
        given.write.mkdir(parents=True, exist_ok=True)
        (given.write / "serving.md").write_text(text)
        plot(found, given.write / "serving.png")
    return 0


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", nargs="*", choices=SIZE, default=list(SIZE))
    parser.add_argument("--payloads", nargs="*", choices=PAYLOADS, default=list(PAYLOADS))
    parser.add_argument("--servers", nargs="*", choices=KINDS, default=list(DEFAULT), help=f"default: {', '.join(DEFAULT)}")
    parser.add_argument("--seconds", type=float, default=1.5, help="that all callers are at work in each round (default: 1.5)")
    parser.add_argument("--rounds", type=int, default=6, help="an even number keeps A B B A balanced (default: 6)")
    parser.add_argument("--callers", type=int, default=4 * CORES, help="of the closed loop (default: four for each core)")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--write", type=Path, help="folder for serving.md and serving.png")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
