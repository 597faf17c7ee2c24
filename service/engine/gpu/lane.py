"""A network on a device: fixed batch sizes, buffers made once, and one thread that alone touches either.

ONNX Runtime keeps CUDA graphs for the thread that captured them, and CUDA forbids two threads to replay one: hence the thread. While it
waits for the device, the next batch is put together by whoever calls: there is room for two.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import numpy as np

from service.engine.gpu.buffers import Buffers, buckets, empty
from service.engine.gpu.faults import fault_of
from service.engine.gpu.pinned import PageLock
from service.engine.providers import NAMES
from service.engine.runtime import Feeds, Runtime, Tensors

STAGED = 2  # batches in flight: one that runs, one that is put together
WARMING = 4  # runs of each bucket: two allocate, the third captures its graph, the fourth replays it
TIMED = 5
CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # of a graph to the same run without: the kernels are the same


Rows = TypeVar("Rows", Tensors, Feeds)


class GraphError(RuntimeError):
    """A replayed graph answers otherwise than the run it was captured from."""


class Lane:
    """Runs batches of any size in the buckets.

    Parameters
    ----------
    open_runtime
        Opens the session, with CUDA graphs or without.
    max_batch_size
        The most requests of one run; larger batches are run in parts.
    graphs
        Whether to try CUDA graphs. Where they do not hold, it goes without.
    """

    def __init__(self, open_runtime: Callable[[bool], Runtime], max_batch_size: int, *, graphs: bool = True) -> None:
        self._open_runtime = open_runtime
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="device")
        self._buckets = buckets(max_batch_size)
        self.graphs = graphs
        self._thread.submit(self._open).result()
        self.digest, self.provider, self.metadata = self._runtime.digest, self._runtime.provider, self._runtime.metadata
        self.inputs, self.outputs = self._runtime.inputs, self._runtime.outputs
        self._room, self._lock = self.largest, PageLock()
        self._staged = self._staging()

    def _open(self) -> None:
        """Open the session, and make buffers for as many buckets as there is memory for."""
        self._runtime = self._open_runtime(self.graphs)
        place = "cpu" if self._runtime.provider == NAMES["cpu"] else "cuda"
        self._buffers: dict[int, Buffers] = {}
        for bucket in self._buckets:
            try:
                self._buffers[bucket] = Buffers(self._runtime, bucket, place)
            except Exception as error:
                if not self._buffers or fault_of(error) != "out_of_memory":
                    raise
                break
        self._buckets = tuple(self._buffers)

    def _staging(self) -> SimpleQueue[Feeds]:
        """Host memory for the largest bucket, page-locked where there is CUDA."""
        staged: SimpleQueue[Feeds] = SimpleQueue()
        locked = []
        for _ in range(STAGED):
            rows = empty(self._runtime, self.largest)
            locked += [self._lock(tensor) for tensor in rows.values()]
            staged.put(rows)
        self.pinned = all(locked)
        return staged

    @property
    def largest(self) -> int:
        """The largest batch that is run at once."""
        return self._buckets[-1]

    def shrink(self) -> bool:
        """Run no more batches of the largest size, and free its buffers; whether there was a smaller one."""
        return self._thread.submit(self._shrink).result()

    def _shrink(self) -> bool:
        if len(self._buckets) == 1:
            return False
        self._buckets = self._buckets[:-1]  # here, and so never in the middle of a batch
        self._buffers = {bucket: self._buffers[bucket] for bucket in self._buckets}
        return True

    def close(self) -> None:
        """Release the session on the thread that made it; what waits for it fails."""
        self._thread.submit(self._release)
        self._thread.shutdown(wait=True, cancel_futures=False)
        self._lock.release()

    def _release(self) -> None:
        self._buffers = {}
        del self._runtime

    def __call__(self, tensors: Tensors, names: Sequence[str] = ()) -> Tensors:
        """Run once: tensors (B, ...) to outputs (B, ...), all of them where no `names` are given."""
        self._runtime.check(tensors)
        wanted, size = list(names or self.outputs), len(next(iter(tensors.values())))
        parts = [self._part(_rows(tensors, start, self._room), wanted) for start in range(0, size, self._room)]
        return _joined(parts)

    def _part(self, tensors: Tensors, names: list[str]) -> Tensors:
        count = len(next(iter(tensors.values())))
        staged = self._staged.get()
        try:
            for name, tensor in self._runtime.feeds(tensors).items():
                staged[name][:count] = tensor
            return self._thread.submit(self._run, staged, count, names).result()
        finally:
            self._staged.put(staged)

    def _run(self, staged: Feeds, count: int, names: list[str]) -> Tensors:
        """Each as many as fit, padded with the first of them: never another patient's, and nothing that a network refuses."""
        parts = []
        for start in range(0, count, self.largest):
            size = min(count - start, self.largest)
            bucket = next(each for each in self._buckets if each >= size)
            rows = _rows(staged, start, bucket)
            for tensor in rows.values():
                tensor[size:] = tensor[:1]
            parts.append(self._buffers[bucket](rows, size, names, graph=self.graphs))
        return _joined(parts)

    def warm(self, study: Tensors) -> dict[int, float]:
        """Run every bucket with one study (no batch axis) until nothing is allocated or searched any more: bucket -> median seconds."""
        return self._thread.submit(self._warm, study).result()

    def _warm(self, study: Tensors) -> dict[int, float]:
        try:
            return self._timed(study)
        except Exception as error:
            if not self.graphs or fault_of(error) is not None:
                raise
        self.graphs = False  # a capture that failed leaves its stream unusable: a session without
        self._buffers = {}
        self._open()
        return self._timed(study)

    def _timed(self, study: Tensors) -> dict[int, float]:
        names, took_s = list(self.outputs), dict[int, float]()
        for bucket, buffers in self._buffers.items():
            rows = self._runtime.feeds({name: np.repeat(tensor[np.newaxis], bucket, 0) for name, tensor in study.items()})
            plain = buffers(rows, bucket, names, graph=False)
            run = partial(buffers, rows, bucket, names, graph=self.graphs)
            for _ in range(WARMING):
                outputs = run()
            if not all(np.allclose(outputs[name], plain[name], **CLOSE, equal_nan=True) for name in names):
                raise GraphError(f"the graph of batches of {bucket} gives another answer")
            took_s[bucket] = statistics.median(_seconds(run) for _ in range(TIMED))
        return took_s


def _rows(tensors: Rows, start: int, count: int) -> Rows:
    return {name: tensor[start : start + count] for name, tensor in tensors.items()}


def _joined(parts: list[Tensors]) -> Tensors:
    return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
