"""Where a network runs: ONNX Runtime's execution providers, what they are asked for, and that nothing is computed elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Provider = Literal["cpu", "cuda", "tensorrt"]
Options = dict[str, str]
NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider",
}  # fmt: skip
REMEDY: dict[Provider, str] = {
    "cpu": "Install onnxruntime.",
    "cuda": "Install onnxruntime-gpu, or choose the provider cpu.",
    "tensorrt": "Install onnxruntime-gpu and NVIDIA's TensorRT libraries, or choose the provider cuda.",
}
# ONNX Runtime moves the arithmetic of shapes to the CPU, whatever it is told. These only move numbers: no answer is computed by them.
ON_CPU = frozenset({"Cast", "Concat", "Gather", "Shape", "Size", "Slice", "Squeeze", "Unsqueeze"})


@dataclass(frozen=True)
class Device:
    """A provider, and what it may use.

    Attributes
    ----------
    memory_bytes
        Of the device, for one network; 0 sets no limit.
    half
        Whether the network is an fp16 variant: TensorRT must be told that it may compute so.
    cache
        Folder of the engines that TensorRT builds; None builds them at every start.
    graphs
        Whether CUDA graphs are captured.
    largest_batch
        The bounds within which TensorRT builds one engine for all.
    """

    provider: Provider = "cpu"
    memory_bytes: int = 0
    half: bool = False
    cache: Path | None = None
    graphs: bool = True
    largest_batch: int = 1


def chain(device: Device, inputs: Mapping[str, tuple[int, ...]]) -> list[tuple[str, Options]]:
    """The providers of a session, the preferred one first. `inputs` are the network's shapes without the batch axis."""
    if device.provider == "cpu":
        return [(NAMES["cpu"], {"arena_extend_strategy": "kSameAsRequested"})]
    if device.provider == "cuda":
        return [(NAMES["cuda"], _cuda(device))]
    return [(NAMES["tensorrt"], _tensorrt(device, inputs)), (NAMES["cuda"], _cuda(device) | {"enable_cuda_graph": "0"})]


def _cuda(device: Device) -> Options:
    """Convolutions are searched exhaustively: at the warm-up, for the shapes of the buckets, and no other shape ever comes."""
    options = {
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "enable_cuda_graph": str(int(device.graphs)),
        "use_tf32": "0",  # keeps 10 of 23 mantissa bits and is on by default: off, so that the GPU answers what the CPU answers
    }
    return options | ({"gpu_mem_limit": str(device.memory_bytes)} if device.memory_bytes else {})


def _tensorrt(device: Device, inputs: Mapping[str, tuple[int, ...]]) -> Options:
    """One engine for every batch size. CUDA graphs stay off: this provider keeps one for a session, not one for each bucket.

    ONNX Runtime names an engine after the graph, the precision and the compute capability, and TensorRT refuses one of another version
    of itself; the folder is the caller's, one for each network.
    """
    least, most = (",".join(f"{name}:{_shape(size, shape)}" for name, shape in inputs.items()) for size in (1, device.largest_batch))
    options = {
        "trt_fp16_enable": str(int(device.half)),
        "trt_cuda_graph_enable": "0",
        "trt_profile_min_shapes": least,
        "trt_profile_opt_shapes": most,
        "trt_profile_max_shapes": most,
    }
    if device.memory_bytes:
        options["trt_max_workspace_size"] = str(device.memory_bytes)
    if device.cache is None:
        return options
    folder = str(device.cache)
    kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
    return options | kept | {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}


def _shape(size: int, shape: tuple[int, ...]) -> str:
    return "x".join(map(str, (size, *shape)))


def strays(assigned: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Of nodes as (provider, operator): the operators that would be computed on the CPU."""
    return tuple(sorted({operator for provider, operator in assigned if provider == NAMES["cpu"] and operator not in ON_CPU}))
