"""Who goes first, and until when: what a client of the served service may say, sees documented, and gets told."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import pytest

DICOM = {"Content-Type": "application/dicom"}


def sent(running: str, root: Path, **headers: str) -> tuple[int, Message, dict]:
    body = (root / "examples/bmd/image.dcm").read_bytes()
    headers = DICOM | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{running}/predict/bmd", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


@pytest.mark.slow
@pytest.mark.parametrize("priority", ["stat", "routine", "batch"])
def test_every_priority_gets_the_same_answer_and_every_stage_its_time(running: str, root: Path, priority: str) -> None:
    status, headers, answer = sent(running, root, X_Priority=priority, X_Deadline_Ms="60000")
    assert status == 200
    assert answer["measurements"] == sent(running, root)[2]["measurements"]
    stages = [stage.partition(";")[0] for stage in headers["Server-Timing"].split(", ")]
    assert stages == ["receive", "decode", "preprocess", "gate", "queue", "infer", "postprocess", "render"]


@pytest.mark.slow
@pytest.mark.parametrize("header", [{"X_Priority": "urgent"}, {"X_Deadline_Ms": "0"}, {"X_Deadline_Ms": "86400000"}])
def test_a_header_that_cannot_be_is_refused_with_what_can(running: str, root: Path, header: dict[str, str]) -> None:
    status, headers, problem = sent(running, root, **header)
    assert (status, headers["Content-Type"], problem["code"]) == (422, "application/problem+json", "invalid_parameter")
    assert "from 1 to 60000" in problem["hint"] or "stat, routine, batch" in problem["hint"]


@pytest.mark.slow
def test_a_deadline_that_cannot_be_held_is_told_with_a_time_to_come_again(running: str, root: Path) -> None:
    status, headers, problem = sent(running, root, X_Deadline_Ms="1")
    assert (status, problem["code"]) in {(503, "deadline_exceeded"), (503, "overloaded")}
    assert int(headers["Retry-After"]) >= 1


def test_both_headers_are_documented(root: Path) -> None:
    document = json.loads((root / "tests/contract/openapi.json").read_text())
    told = {each["name"]: each for each in document["paths"]["/predict/{model}"]["post"]["parameters"]}
    assert told["X-Priority"]["schema"] == {"enum": ["stat", "routine", "batch"], "default": "routine"}
    assert told["X-Deadline-Ms"]["schema"]["minimum"] == 1
    examples = document["paths"]["/predict/{model}"]["post"]["responses"]["503"]["content"]["application/problem+json"]["examples"]
    assert {"overloaded", "deadline_exceeded"} <= set(examples)
