"""In which modes a network may run on this machine: never in one that gives other bits, and not in one that does not pay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from service.engine.batch import Run, Tensors

PAYS = 0.8  # what all cores must shorten a run to, for the memory of a second session
PAYS_MS = 2.0  # and what they must save at least: nobody notices less


@dataclass(frozen=True)
class Placement:
    """Where a network runs that may have to move.

    Attributes
    ----------
    provider
        ONNX Runtime's name of it.
    state
        Full, reduced (smaller batches), rebuilt (a new session), degraded (on the CPU) or lost.
    graphs, pinned
        Whether runs replay CUDA graphs, and whether what is uploaded is page-locked.
    run_s
        Batch size -> seconds of a run; a smaller batch is padded.
    """

    provider: str
    state: str = "full"
    graphs: bool = False
    pinned: bool = False
    run_s: Mapping[int, float] = field(default_factory=dict)

    @property
    def degraded(self) -> bool:
        """Whether it answers, and not from where it was asked to."""
        return self.state == "degraded"


@dataclass(frozen=True)
class Modes:
    """How one model runs.

    Attributes
    ----------
    narrow
        A run on one thread; several go on side by side.
    wide
        A run on all cores, for a request that is alone; None where there is no such mode.
    max_batch_size
        Requests in one run.
    one_at_a_time
        Whether runs side by side were found to disturb each other.
    alone_ms
        Threads of a run -> its median milliseconds, as measured here.
    bit_identical
        What was compared with the study alone on one thread -> whether it gave the same bits: again, concurrent, batch, wide.
    placement
        Where it runs, if that is no CPU or was none.
    """

    narrow: Run
    wide: Run | None = None
    max_batch_size: int = 1
    one_at_a_time: bool = False
    alone_ms: dict[int, float] = field(default_factory=dict)
    bit_identical: dict[str, bool] = field(default_factory=dict)
    placement: Placement | None = None

    @property
    def degraded(self) -> bool:
        """Whether it answers, and not from where it was asked to."""
        return self.placement is not None and self.placement.degraded

    @property
    def threads(self) -> int:
        """Of a run that is alone."""
        return max(self.alone_ms) if self.wide else 1

    @property
    def other_bits(self) -> tuple[str, ...]:
        """The comparisons that failed."""
        return tuple(name for name, same in self.bit_identical.items() if not same)


@dataclass(frozen=True)
class Finder:
    """Finds the modes of one network.

    Attributes
    ----------
    narrow
        The network on one thread.
    open_wide
        Opens a second session on all cores; None where there is only one.
    slots, max_batch_size
        What would run at once, and together.
    exact
        Whether a mode that gives other bits is forbidden, and not only told: on the CPU.
    time_runs
        Both runs and the tensors to median milliseconds by threads; with no second run where it is known already.
    """

    narrow: Run
    open_wide: Callable[[], Run] | None
    slots: int
    max_batch_size: int
    exact: bool
    time_runs: Callable[[Run, Callable[[], Run] | None, Tensors], dict[int, float]]

    def __call__(self, tensors: Tensors) -> Modes:
        """The modes, found with one study's tensors (without a batch axis)."""
        opened = _Once(self.open_wide) if self.open_wide else None
        alone_ms = self.time_runs(self.narrow, opened, tensors)
        wide = opened() if opened and pays(alone_ms) else None
        same = compare(self.narrow, wide, tensors, slots=self.slots, max_batch_size=self.max_batch_size)
        if not self.exact:
            return Modes(self.narrow, wide, self.max_batch_size, alone_ms=alone_ms, bit_identical=same)
        disturbed = not same.get("concurrent", True)
        return Modes(
            narrow=_one_at_a_time(self.narrow) if disturbed else self.narrow,
            wide=wide if same.get("wide", True) else None,
            max_batch_size=self.max_batch_size if same.get("batch", True) else 1,
            one_at_a_time=disturbed, alone_ms=alone_ms, bit_identical=same,
        )


class _Once:
    """Opens a session when it is first needed."""

    def __init__(self, opens: Callable[[], Run]) -> None:
        self._opens = opens
        self._run: Run | None = None

    def __call__(self) -> Run:
        self._run = self._run or self._opens()
        return self._run


def pays(alone_ms: dict[int, float]) -> bool:
    """Whether more threads shorten a run by enough."""
    if len(alone_ms) < 2:
        return False
    one, all_cores = alone_ms[1], alone_ms[max(alone_ms)]
    return all_cores <= PAYS * one and one - all_cores >= PAYS_MS


def compare(narrow: Run, wide: Run | None, tensors: Tensors, *, slots: int, max_batch_size: int) -> dict[str, bool]:
    """Whether the study gets the bits it gets alone on one thread: again, beside other runs, in a batch, and on all cores."""
    one = _batch([tensors])
    others = [{name: change(each) for name, each in tensors.items()} for change in (_blank, _turned)]
    expected = _bits(narrow(one), 0)
    same = {"again": _bits(narrow(one), 0) == expected}
    if slots > 1:
        inputs = [one, *(_batch([each]) for each in others)] * (2 * slots)
        with ThreadPoolExecutor(slots) as threads:
            same["concurrent"] = all(_bits(outputs, 0) == expected for outputs in list(threads.map(narrow, inputs))[::3])
    if max_batch_size > 1:
        same["batch"] = all(_in_batch(narrow, tensors, others, size) == {expected} for size in {2, max_batch_size})
    if wide:
        same["wide"] = _bits(wide(one), 0) == expected
    return same


def _one_at_a_time(run: Run) -> Run:
    """`run`, never twice at once."""
    lock = Lock()

    def alone(tensors: Tensors) -> Tensors:
        with lock:
            return run(tensors)

    return alone


def _in_batch(run: Run, tensors: Tensors, others: list[Tensors], size: int) -> set[tuple[bytes, ...]]:
    """The study's bits as the first and as the last of a batch."""
    beside = [others[row % len(others)] for row in range(size - 1)]
    return {_bits(run(_batch([tensors, *beside])), 0), _bits(run(_batch([*beside, tensors])), size - 1)}


def _blank(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """Another study's picture: nothing on it. What is no picture stays, for a network may refuse values that no table has."""
    return np.zeros_like(tensor) if tensor.ndim > 2 else tensor


def _turned(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """Another study's picture: the other way round and darker."""
    return np.float32(0.5) * tensor[..., ::-1] if tensor.ndim > 2 else tensor


def _batch(studies: list[Tensors]) -> Tensors:
    return {name: np.stack([each[name] for each in studies]) for name in studies[0]}


def _bits(outputs: Tensors, row: int) -> tuple[bytes, ...]:
    return tuple(output[row].tobytes() for output in outputs.values())
