"""Studies of volumes and genotypes, as a PACS and a laboratory send them, answered by the service as a user starts it."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from models.genotypes.builds import LENGTHS
from tests.contract.conftest import ROOT
from tests.contract.test_examples import parts
from training.phantoms.alzheimer import genome
from training.phantoms.alzheimer.dicom import series
from training.phantoms.alzheimer.patient import Phantom, draw
from training.phantoms.alzheimer.tables import day_of

pytestmark = pytest.mark.slow
FOLDER = ROOT / "examples" / "alzheimer"
METADATA = (FOLDER / "metadata.json").read_text()
BOUNDARY = "a-boundary-of-ours"


def example(**changed: bytes | None) -> list[tuple[str, tuple[str, bytes]]]:
    """The example's parts; by name, those that differ or, with None, are left out."""
    named = {name: data for name, (_, data) in parts(FOLDER, ".dcm")} | changed
    return [(name, (name, data)) for name, data in named.items() if data is not None]


def post(running: str, files: list[tuple[str, tuple[str, bytes]]], metadata: str = METADATA) -> httpx.Response:
    return httpx.post(f"{running}/predict/alzheimer", files=files, data={"metadata": metadata}, timeout=60)


def instances(phantom: Phantom) -> dict[str, list[bytes]]:
    scans = {"mri": phantom.mri(150), "pet": phantom.pet()}
    return {name: series(phantom, name, scan, day_of(phantom, name)) for name, scan in scans.items()}


def related(phantom: Phantom) -> bytes:
    """All instances of both series in any order, one file of genotypes, one of metadata: no part has a name."""
    found = [("application/dicom", data) for files in instances(phantom).values() for data in reversed(files)]
    found += [("application/gzip", genome.vcf(phantom.calls, "phantom")), ("application/json", json.dumps(phantom.fields).encode())]
    body = b"".join(f"--{BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n".encode() + data + b"\r\n" for kind, data in found)
    return body + f"--{BOUNDARY}--\r\n".encode()


def test_two_series_without_names_are_told_apart_sorted_and_answered(running: str) -> None:
    phantom = draw(11, 0)
    sent = instances(phantom)
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    answer = httpx.post(f"{running}/predict/alzheimer", content=related(phantom), headers={"Content-Type": kind}, timeout=60)
    assert answer.status_code == 200, answer.text
    read: list[dict[str, Any]] = answer.json()["inputs"]["images"]
    assert [image["input"] for image in read] == ["mri", "pet"]
    assert [image["files"] for image in read] == [len(sent["mri"]), len(sent["pet"])]
    assert all(image["plane"]["name"] == "mid_sagittal" and image["series_instance_uid"] for image in read)
    assert answer.json()["inputs"]["genotypes"]["format"].startswith("VCF")
    pictures = [check["detail"].split(":")[0] for check in answer.json()["quality"] if check["check"] == "picture"]
    assert pictures == ["mri", "pet"]


def test_the_probabilities_sum_to_one_and_one_class_is_positive(running: str) -> None:
    findings = post(running, example()).json()["findings"]
    assert [finding["name"] for finding in findings] == ["cn", "mci", "ad"]
    assert sum(finding["probability"] for finding in findings) == pytest.approx(1, abs=1e-6)
    assert sum(finding["positive"] for finding in findings) == 1


def test_the_panel_tells_what_to_send_as_its_json(running: str) -> None:
    panel = httpx.get(f"{running}/models/alzheimer/panel").json()
    calls = {"panel": panel["digest"], "calls": [0] * len(panel["variants"])}
    answer = post(running, example(genotypes=json.dumps(calls).encode()))
    assert answer.status_code == 200, answer.text
    told = answer.json()["inputs"]["genotypes"]
    assert (told["panel_digest"], told["called"], told["format"]) == (panel["digest"], len(panel["variants"]), "panel JSON")


def test_a_model_without_genotypes_has_no_panel(running: str) -> None:
    assert httpx.get(f"{running}/models/chest/panel").status_code == 404


@pytest.mark.parametrize(("left_out", "code"), [("mri", "missing_image"), ("pet", "missing_image"), ("genotypes", "missing_genotypes")])
def test_a_study_without_one_of_its_modalities_is_refused(running: str, left_out: str, code: str) -> None:
    answer = post(running, example(**{left_out: None}))
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_study_without_cognition_is_refused(running: str) -> None:
    answer = post(running, example(), json.dumps({"age_years": 70, "sex": "female"}))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_metadata")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/metadata/phc_mem", "/metadata/phc_exf"}


def test_calls_on_another_build_are_refused_by_name(running: str) -> None:
    text = gzip.decompress(genome.vcf(draw(11, 0).calls, "phantom")).decode()
    other = text
    for ours, theirs in zip(LENGTHS["GRCh37"], LENGTHS["GRCh38"], strict=True):
        other = other.replace(f"length={ours},", f"length={theirs},")
    answer = post(running, example(genotypes=other.encode()))
    assert (answer.status_code, answer.json()["code"]) == (422, "unsuitable_genotypes")
    assert "GRCh38" in answer.json()["detail"]


def test_one_scan_sent_as_both_is_refused(running: str) -> None:
    mri = dict(example())["mri"][1]
    answer = post(running, example(pet=mri))
    assert (answer.status_code, answer.json()["code"]) == (422, "metadata_conflict")
