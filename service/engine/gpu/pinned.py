"""Page-locked host memory: what the GPU can read by itself, without a copy through a buffer of the driver."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

MAPS = Path("/proc/self/maps")
LIBRARY = "libcudart.so"


class PageLock:
    """Locks arrays with the CUDA runtime that ONNX Runtime has loaded (cudaHostRegister); without one, arrays stay as they are.

    Parameters
    ----------
    maps
        What this process has mapped, as the kernel tells it.
    cuda
        The CUDA runtime, where it is known.
    """

    def __init__(self, maps: Path = MAPS, cuda: Any = None) -> None:  # noqa: ANN401  a library has no type
        found = loaded(maps)
        self._cuda: Any = cuda or (ctypes.CDLL(found) if found else None)
        self._locked: list[NDArray[Any]] = []  # memory must outlive its lock

    def __call__(self, array: NDArray[Any]) -> bool:
        """Lock the pages of an array; whether that was possible. One that stays unlocked is copied more slowly, and as rightly."""
        if self._cuda is None:
            return False
        address, size = ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes)
        done = bool(self._cuda.cudaHostRegister(address, size, ctypes.c_uint(0)) == 0)
        if done:
            self._locked.append(array)
        return done

    def release(self) -> None:
        """Unlock every array."""
        for array in self._locked:
            self._cuda.cudaHostUnregister(ctypes.c_void_p(array.ctypes.data))
        self._locked.clear()


def loaded(maps: Path) -> str | None:
    """The file of the CUDA runtime that this process has loaded."""
    try:
        lines = maps.read_text().splitlines()
    except OSError:
        return None
    paths = (line.split(maxsplit=5)[-1] for line in lines if LIBRARY in line)
    return next((path for path in paths if Path(path).name.startswith(LIBRARY)), None)
