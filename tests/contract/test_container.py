"""The container files keep their promises. No engine runs them here; these are the properties that can be read off."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    text = (root / "Dockerfile").read_text().replace("\\\n", " ")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


@pytest.fixture(scope="module")
def runtime(dockerfile: str) -> str:
    """The stage that is shipped: the last one."""
    return dockerfile[dockerfile.rindex("FROM ") :]


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "docker-compose.yml").read_text())["services"]


def test_the_image_runs_as_nobody_in_particular(runtime: str) -> None:
    assert re.search(r"^USER 10001:10001$", runtime, re.MULTILINE)


def test_the_image_knows_whether_it_is_ready(runtime: str) -> None:
    check = re.search(r"^HEALTHCHECK .*$", runtime, re.MULTILINE)
    assert check
    assert "/health/ready" in check[0]
    assert "curl" not in check[0]  # the slim image has none


def test_everything_is_installed_from_a_hash_lock_and_nothing_from_source(dockerfile: str) -> None:
    installs = re.findall(r"pip .*?install.*", dockerfile)
    assert installs
    assert all("--require-hashes" in each and "--only-binary :all:" in each for each in installs)


def test_every_image_is_pinned_to_a_version(dockerfile: str, compose: dict[str, Any]) -> None:
    bases = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", dockerfile, re.MULTILINE)
    foreign = [service["image"] for service in compose.values() if "build" not in service]
    assert len(bases) == 1
    assert [image for image in bases + foreign if not re.search(r":v?\d+\.\d+", image)] == []


def test_training_stays_outside_the_image(root: Path, runtime: str) -> None:
    assert not re.search(r"training|torch", runtime)
    ignored = (root / ".dockerignore").read_text().split()
    assert "*" in ignored
    assert "models/*/network.py" in ignored
    assert not any(line.startswith("!training") for line in ignored)


def test_everything_copied_is_let_through_to_the_build(root: Path, dockerfile: str) -> None:
    sources = {
        source.strip("/").split("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    ignored = (root / ".dockerignore").read_text().split()
    assert {f"!{source}" for source in sources} <= {line.rstrip("/") for line in ignored}


@pytest.mark.parametrize("name", ["chiasm", "chiasm-gpu", "prometheus", "grafana"])
def test_a_container_can_change_nothing_and_gain_nothing(compose: dict[str, Any], name: str) -> None:
    service = compose[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service


def test_nothing_listens_beyond_this_machine(compose: dict[str, Any]) -> None:
    assert [port for service in compose.values() for port in service["ports"] if not port.startswith("127.0.0.1:")] == []


def test_the_gpu_variant_says_that_it_wants_the_gpu(compose: dict[str, Any]) -> None:
    assert compose["chiasm-gpu"]["environment"]["CHIASM_PROVIDER"] == "cuda"
    assert compose["chiasm-gpu"]["build"]["args"]["VARIANT"] == "gpu"
