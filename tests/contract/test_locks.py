"""The locks: complete, hashed, and silent about where packages come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

LOCKS = ("serve-cpu", "serve-gpu", "test")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def pins(root: Path, lock: str) -> dict[str, str]:
    return dict(PIN.findall((root / f"requirements/{lock}.txt").read_text()))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in requirements}


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_path(root: Path, lock: str) -> None:
    text = (root / f"requirements/{lock}.txt").read_text()
    assert re.findall(r"https?:|file:|--index|--find|--extra|--trusted|/simple|@ ", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_of_a_lock_has_a_hash(root: Path, lock: str) -> None:
    text = (root / f"requirements/{lock}.txt").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(blocks) == len(pins(root, lock))
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_torch_is_in_no_lock(root: Path, lock: str) -> None:
    assert not {"torch", "triton"} & pins(root, lock).keys()


def test_the_service_is_locked_without_development_tools(root: Path) -> None:
    assert not {"pytest", "ruff", "mypy", "matplotlib", "onnx", "scipy", "pip"} & pins(root, "serve-cpu").keys()


@pytest.mark.parametrize(("lock", "extras"), [("serve-cpu", ["cpu"]), ("serve-gpu", ["gpu"]), ("test", ["cpu", "train", "dev"])])
def test_everything_declared_is_locked(root: Path, declared: dict[str, Any], lock: str, extras: list[str]) -> None:
    wanted = names(declared["dependencies"]).union(*(names(declared["optional-dependencies"][extra]) for extra in extras)) - {"torch"}
    assert wanted - pins(root, lock).keys() == set(), "make lock"


def test_the_tests_run_on_what_the_service_ships(root: Path) -> None:
    shipped, tested = pins(root, "serve-cpu"), pins(root, "test")
    assert {name: version for name, version in shipped.items() if tested.get(name) != version} == {}


def test_the_gpu_variant_brings_the_libraries_its_runtime_links_to(root: Path) -> None:
    locked = pins(root, "serve-gpu")
    assert locked["nvidia-cuda-runtime"].startswith("13.")
    assert locked["nvidia-cudnn-cu13"].startswith("9.")
    assert "onnxruntime" not in locked  # the two builds share one module name and must not meet
