"""What holds for every test, before any of them imports a numerical library."""

import os
import sys
from collections.abc import Iterator

import pytest

from tests.untraced import untraced

# Threads of several libraries that wait for each other by spinning make a loaded machine with two cores stand still.
os.environ.setdefault("OMP_NUM_THREADS", "1")

if "PYTEST_XDIST_WORKER" in os.environ:  # there are as many test processes as cores: a pool of several in each would be in its own way
    os.cpu_count = lambda: 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: of two processes that share the files, none is left alone with a long one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module", autouse=True)
def exporter_untraced() -> Iterator[None]:
    """PyTorch's exporter rewrites graphs in Python for minutes, which coverage makes twice as long."""
    with pytest.MonkeyPatch.context() as patch:
        if torch := sys.modules.get("torch"):  # a module that exports has imported it
            patch.setattr(torch.onnx, "export", untraced(torch.onnx.export))
        yield
