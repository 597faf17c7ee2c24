"""Uploads are page-locked where the process has loaded CUDA, and as right where it has not."""

import ctypes

import numpy as np
import pytest

from service.engine.gpu.pinned import PageLock, loaded

LINE = "7f1c00000000-7f1c000b0000 r-xp 00000000 08:01 131 {}\n"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/opt/venv/lib/nvidia/cu13/lib/libcudart.so.13", True), ("/opt/a folder/libcudart.so.13.0.48", True),
        ("/usr/lib/libc.so.6", False), ("/opt/libcudart.so.d/other.so", False),
    ],
)
def test_the_library_is_the_one_that_is_loaded(tmp_path, path, found):
    maps = tmp_path / "maps"
    maps.write_text(LINE.format("/usr/lib/ld.so") + LINE.format(path) + "7ffd1000-7ffd2000 rw-p 0 00:00 0\n")
    assert loaded(maps) == (path if found else None)


def test_without_cuda_nothing_is_locked(tmp_path):
    assert loaded(tmp_path / "absent") is None
    lock = PageLock(tmp_path / "absent")
    assert not lock(np.zeros(4, np.float32))
    lock.release()


class Cuda:
    """The two calls, and what they were given."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.registered: list[tuple[int, int]] = []
        self.released: list[int] = []

    def cudaHostRegister(self, address: ctypes.c_void_p, size: ctypes.c_size_t, flags: ctypes.c_uint) -> int:  # noqa: N802, ARG002  CUDA's name
        self.registered.append((address.value, size.value))
        return self.code

    def cudaHostUnregister(self, address: ctypes.c_void_p) -> int:  # noqa: N802  CUDA's name
        self.released.append(address.value)
        return 0


@pytest.mark.parametrize(("code", "locked"), [(0, True), (2, False)])
def test_an_array_is_locked_whole_and_released_once(tmp_path, code, locked):
    array, cuda = np.zeros((2, 3), np.float32), Cuda(code)
    lock = PageLock(tmp_path / "absent", cuda)
    assert lock(array) is locked
    lock.release()
    lock.release()
    assert cuda.registered == [(array.ctypes.data, 24)]
    assert cuda.released == ([array.ctypes.data] if locked else [])
