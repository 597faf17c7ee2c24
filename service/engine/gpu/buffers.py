"""Buffers of one batch size: a batch is copied into them, run, and copied out, and nothing is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.engine.runtime import Feeds, Runtime, Tensors

BUCKETS = (1, 2, 4, 8, 16, 32)
NO_GRAPH = -1  # of `gpu_graph_id`: neither capture nor replay


def buckets(max_batch_size: int) -> tuple[int, ...]:
    """The batch sizes that are run, up to the first that holds `max_batch_size`: any other is padded to the next."""
    below = tuple(size for size in BUCKETS if size < max_batch_size)
    return (*below, *BUCKETS[len(below) : len(below) + 1])


class Buffers:
    """Inputs and outputs of one bucket on a device, bound to a session once: a CUDA graph replays at the addresses that it was captured at.

    Parameters
    ----------
    place
        "cuda", or "cpu" to try the logic of it.
    """

    def __init__(self, runtime: Runtime, bucket: int, place: str) -> None:
        self.bucket = bucket
        self._session = runtime.session
        self._binding = runtime.session.io_binding()
        self._inputs = {name: self._allocated(like, place) for name, like in empty(runtime, bucket).items()}
        made = {name: np.empty((bucket, *shape), np.float32) for name, shape in runtime.outputs.items()}
        self._outputs = {name: self._allocated(like, place) for name, like in made.items()}
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)
        self._graph, self._plain = _options(bucket), _options(NO_GRAPH)

    def __call__(self, rows: Feeds, count: int, names: Sequence[str], *, graph: bool) -> Tensors:
        """Run `rows` (bucket, ...), of which the first `count` are asked for; the outputs `names` of those (count, ...).

        With `graph`, the third run captures a CUDA graph under the bucket's number, and later ones replay it.
        """
        for name, value in self._inputs.items():
            value.update_inplace(rows[name])
        self._session.run_with_iobinding(self._binding, self._graph if graph else self._plain)
        return {name: np.array(self._outputs[name].numpy()[:count]) for name in names}  # a copy: the next batch overwrites the buffer

    def _allocated(self, like: NDArray[Any], place: str) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_shape_and_type(like.shape, like.dtype, place, 0)


def empty(runtime: Runtime, count: int) -> Feeds:
    """Room for what the graph reads, of so many requests."""
    return runtime.feeds({name: np.zeros((count, *shape), np.float32) for name, shape in runtime.inputs.items()})


def _options(graph: int) -> ort.RunOptions:
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph))
    return options
