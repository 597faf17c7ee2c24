"""Every example of the repository is answered by the service as a new user would start it, gate and all."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from models import SPECS
from tests.contract.conftest import ROOT


def parts(folder: Path, pictures: str) -> list[tuple[str, tuple[str, bytes]]]:
    """Each file under its stem; of an image that stands in two forms, the one that is asked for."""
    names = {path.name.split(".")[0] for path in folder.iterdir()} - {"metadata"}
    choices = [sorted(folder.glob(f"{name}.*"), key=lambda path: path.suffix != pictures) for name in sorted(names)]
    chosen = [files[0] for files in choices]
    return [(path.name.split(".")[0], (path.name, path.read_bytes())) for path in chosen]


@pytest.mark.slow
@pytest.mark.parametrize("pictures", [".dcm", ".png"])
@pytest.mark.parametrize("model", SPECS)
def test_an_example_is_answered_in_json_and_as_a_picture(running: str, model: str, pictures: str) -> None:
    folder = ROOT / "examples" / model
    form = {"files": parts(folder, pictures), "data": {"metadata": (folder / "metadata.json").read_text()}}
    answer = httpx.post(f"{running}/predict/{model}", timeout=60, **form)
    assert answer.status_code == 200, answer.text
    assert answer.json()["findings"]
    offered = httpx.get(f"{running}/models/{model}").json()["explanations"]
    quick = ",".join(name for name in offered if name != "lime")
    explained = httpx.post(f"{running}/predict/{model}?explain={quick}", timeout=60, **form).json()
    assert set(explained["explanations"]) == set(quick.split(",")) - {""}
    picture = httpx.post(f"{running}/predict/{model}", headers={"Accept": "image/png"}, timeout=60, **form)
    assert picture.content.startswith(b"\x89PNG")


@pytest.mark.slow
def test_what_was_not_proven_is_said_of_the_finding_and_of_the_answer(running: str) -> None:
    folder = ROOT / "examples" / "chest"
    form = {"files": parts(folder, ".dcm"), "data": {"metadata": (folder / "metadata.json").read_text()}}
    answer = httpx.post(f"{running}/predict/chest", timeout=60, **form).json()
    reserved = [finding["name"] for finding in answer["findings"] if "reservation" in finding]
    (check,) = [each for each in answer["quality"] if each["check"] == "evidence"]
    assert reserved
    assert not check["passed"]
    assert check["detail"].startswith(f"{', '.join(reserved)}: ")


def test_each_model_has_an_example() -> None:
    assert all(json.loads((ROOT / "examples" / name / "metadata.json").read_text()) for name in SPECS)


@pytest.mark.slow
def test_an_answer_in_a_crowd_is_the_answer_alone_to_the_last_bit(running: str) -> None:
    """Every model's example, six times at once among those of the others."""

    def answer(model: str) -> dict[str, Any]:
        folder = ROOT / "examples" / model
        form = {"files": parts(folder, ".dcm"), "data": {"metadata": (folder / "metadata.json").read_text()}}
        told = httpx.post(f"{running}/predict/{model}", timeout=60, **form).json()
        return {name: told[name] for name in ("measurements", "findings", "attention")}

    alone = {model: answer(model) for model in SPECS}
    crowd = 6 * list(SPECS)
    with ThreadPoolExecutor(len(crowd)) as callers:
        assert all(told == alone[model] for model, told in zip(crowd, callers.map(answer, crowd), strict=True))
