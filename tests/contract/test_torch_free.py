"""The service runs without torch, and without anything else that only training needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.conftest import clean_environment

TRAINING_ONLY = ("torch", "onnx", "onnxscript", "matplotlib", "scipy", "sklearn", "training")
LOADED = f"""
import sys
import service.app, service.__main__, models
print([name for name in {TRAINING_ONLY!r} if name in sys.modules])
"""


def run(python: object, code: str, root: object) -> str:
    done = subprocess.run([str(python), "-c", code], cwd=str(root), env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", TRAINING_ONLY[:-1])
def test_the_serve_environment_cannot_import(serve_python: Path, root: Path, name: str) -> None:
    assert run(serve_python, f"import importlib.util; print(importlib.util.find_spec({name!r}))", root) == "None"


def test_the_service_starts_in_the_serve_environment(serve_python: Path, root: Path) -> None:
    assert run(serve_python, LOADED, root) == "[]"


def test_the_service_does_not_load_torch_even_where_it_is_installed(root: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    assert run(sys.executable, LOADED, root) == "[]"
