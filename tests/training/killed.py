"""Runs of one small network that are killed and taken up again: ``python -m tests.training.killed COHORT TENSORS OUT`` prints JSON.

Every moment at which a killed run could be left half-way is gone through: within a checkpoint's bytes, before and after each file takes its
place, and after the estimates are moved. Each run is a fork of this process, which has imported everything once.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import training.data
from models.bmd.network import XAttnBMD
from tests.training.cohort import QUICK
from training.data import Split
from training.fit import Task, fit
from training.pipeline import read_cohort

RECIPE = replace(QUICK, learning_rate=2e-2)
ROWS = np.arange(26)
SPLIT = Split("main", ROWS[:8], ROWS[8:13], ROWS[13:])  # few rows: it is trained some forty times
CPU = torch.device("cpu")
RANDOM_MOMENTS = 3


class Moments:
    """Counts the moments of a run, and kills the process at one of them."""

    def __init__(self, last: int = 0) -> None:
        self.count, self.last = 0, last

    def after(self, call):
        def called(*arguments, **named):
            result = call(*arguments, **named)
            self.pass_by()
            return result

        return called

    def within(self, save):
        """Half of the bytes are written, then comes the moment."""

        def saved(state, file):
            buffer = io.BytesIO()
            save(state, buffer)
            whole = buffer.getvalue()
            file.write(whole[: len(whole) // 2])
            file.flush()
            self.pass_by()
            file.write(whole[len(whole) // 2 :])

        return saved

    def pass_by(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        os.fsync = self.after(os.fsync)  # the file is complete, and not yet in its place
        Path.replace = self.after(Path.replace)
        torch.save = self.within(torch.save)
        XAttnBMD.shift = self.after(XAttnBMD.shift)


def forked(work) -> int:
    """The child that does the work, in a process of its own."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return child


def ended(child: int) -> int:
    """The signal that ended it; 0 where it came to its end."""
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"a run failed with status {os.WEXITSTATUS(status)}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(cohort_folder: Path, tensors: Path, out: Path) -> dict[str, object]:
    cohort = read_cohort("bmd", cohort_folder, tensors)
    fit(Task(RECIPE, "metadata-only", SPLIT, out / "first"), cohort, CPU)  # what torch imports at its first step is imported once

    def run(folder: str, last: int = 0) -> None:
        moments = Moments(last)
        moments.watch()
        fit(Task(RECIPE, "metadata-only", SPLIT, out / folder), cohort, CPU)
        (out / f"{folder}.moments").write_text(str(moments.count))

    started = time.perf_counter()
    ended(forked(lambda: run("whole")))
    whole_s = time.perf_counter() - started
    found = {}
    for n in range(1, int((out / "whole.moments").read_text()) + 1):
        found[f"moment-{n:02d}"] = ended(forked(lambda n=n: run(f"moment-{n:02d}", n)))
        ended(forked(lambda n=n: run(f"moment-{n:02d}")))
    draw = random.Random(0)  # noqa: S311  moments, not secrets
    for n in range(RANDOM_MOMENTS):
        child = forked(lambda n=n: run(f"random-{n}"))
        time.sleep(draw.uniform(0.05, 0.95) * whole_s)
        os.kill(child, signal.SIGKILL)
        found[f"random-{n}"] = ended(child)  # 0 where it was quicker than the signal
        ended(forked(lambda n=n: run(f"random-{n}")))
    return found


def killed_while_reading(cohort_folder: Path, tensors: Path) -> int:
    """A cohort whose tensors are half written, and then are read anew; in this process instead of several, to be killed in it."""

    def read(last: int) -> None:
        def one_by_one(spec, rows):
            for n, row in enumerate(rows):
                if n == last:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield training.data.tensors_of(spec, row)

        training.data._all_tensors = one_by_one
        read_cohort("bmd", cohort_folder, tensors)

    death = ended(forked(lambda: read(3)))
    ended(forked(lambda: read(-1)))
    return death


if __name__ == "__main__":
    places = [Path(argument) for argument in sys.argv[1:]]
    torch.set_num_threads(1)
    tqdm.monitor_interval = 0  # no thread of its own, whose locks a fork may find taken for ever
    sys.stdout.write(json.dumps({"deaths": main(*places), "tensors": killed_while_reading(places[0], places[2] / "tensors")}))
