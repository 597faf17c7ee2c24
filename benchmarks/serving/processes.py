"""What /proc says of a tree of processes and of the machine; see proc(5)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PARENT, SESSION, USED, STEAL = 1, 3, slice(11, 15), 7  # fields of /proc/PID/stat behind the name; of the line cpu of /proc/stat


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat that stand behind the name, which may hold spaces; none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def tree(root: int) -> list[int]:
    """A process, its session and all that descend from them."""
    found = {int(each.name): stat(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit()}
    members = {root} | {pid for pid, fields in found.items() if fields and int(fields[SESSION]) == root}
    while more := {pid for pid, fields in found.items() if fields and int(fields[PARENT]) in members} - members:
        members |= more
    return sorted(members & found.keys())


def cpu_s(root: int) -> float:
    """Processor seconds of a tree: user and system, and those of children that have ended."""
    return TICK_S * sum(int(used) for pid in tree(root) for used in stat(pid)[USED])


def resident_mb(root: int) -> float:
    """Memory of a tree, what its processes share counted once (proportional set size)."""
    total = 0
    for pid in tree(root):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1000


def signal_tree(root: int, number: signal.Signals) -> None:
    """A signal for every process of a tree."""
    for pid in tree(root):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def ended(root: int, within_s: float) -> bool:
    """Whether nothing of a tree is left, after waiting for at most so long."""
    until = time.monotonic() + within_s
    while any(stat(pid)[:1] not in ([], ["Z"]) for pid in tree(root)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def machine() -> tuple[float, float]:
    """Seconds that all processors were busy, and seconds that the host took away (steal), since the machine started."""
    ticks = [int(each) for each in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]
    busy = sum(ticks[:3]) + sum(ticks[5:7])
    return busy * TICK_S, ticks[STEAL] * TICK_S
