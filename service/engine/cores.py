"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "<quota> <period>" in microseconds, or "max <period>"


def available(cpu_max: Path = CPU_MAX) -> int:
    """Cores that the scheduler grants: the affinity mask, and the container's quota where there is one. At least one."""
    granted = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        granted = min(granted, int(quota) // int(period))
    except (OSError, ValueError):  # no quota: "max", cgroup v1, or not Linux's usual place
        pass
    return max(1, granted)
