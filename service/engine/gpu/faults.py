"""What a GPU can suffer, told by ONNX Runtime's words: it has no classes for it."""

from __future__ import annotations

import re
from typing import Literal

Fault = Literal["out_of_memory", "device_lost"]

# Error codes of the CUDA runtime API, section "Data types used by CUDA Runtime", cudaError: after these the context is of no more use.
LOST_CODES = frozenset({46, 100, 101, 201, 214, 219, 220, 226, *range(700, 800), 802, 999})  # no device, ECC, NVLink, kernels that failed
OUT_OF_MEMORY_CODE = 2
CODE = re.compile(r"CUDA (?:failure|error)[\s:]*(?:code[\s:]*)?(\d+)", re.IGNORECASE)
OUT_OF_MEMORY = re.compile(r"out of memory|failed to allocate memory|_ALLOC_FAILED|BFCArena.*Available memory|OutOfMemory", re.IGNORECASE)
LOST = re.compile(
    r"device-side|illegal memory access|unspecified launch failure|uncorrectable|\bECC\b|GPU (?:is lost|has fallen off)"
    r"|no CUDA-capable device|device\(s\) is/are busy or unavailable"
    r"|CU(?:BLAS|DNN)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR)",
    re.IGNORECASE,
)


def fault_of(error: BaseException) -> Fault | None:
    """Which fault of the device an error tells of; None where it is of something else. What it was raised from counts too.

    ONNX Runtime words them "CUDA failure 2: out of memory ; GPU=0 ; hostname=…", and its arena "Failed to allocate memory for requested
    buffer of size …". A lost device often fails at the next allocation: the code that says so goes first.
    """
    text, cause = str(error), error.__cause__
    codes = {int(code) for code in CODE.findall(text)}
    if codes & LOST_CODES or LOST.search(text):
        return "device_lost"
    if OUT_OF_MEMORY_CODE in codes or OUT_OF_MEMORY.search(text) or isinstance(error, MemoryError):
        return "out_of_memory"
    return fault_of(cause) if cause is not None else None
