"""Each model's answer as DICOM objects, from the service as a user starts it: what they say, and what other readers make of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom.dataset import Dataset

from models import SPECS
from models.prediction import Geometry
from service.formats import terms
from tests.contract.conftest import ROOT
from tests.contract.test_examples import parts
from tests.contract.test_scans import instances
from tests.service.formats.dicom.reading import Group, groups, opened
from training.phantoms.alzheimer.patient import draw

pytestmark = pytest.mark.slow
BOTH = 'multipart/related; type="application/dicom"'
REPORT, PAGE = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7"


def files(model: str) -> list[tuple[str, tuple[str, bytes]]]:
    """The example, every image of it as DICOM."""
    sent = parts(ROOT / "examples" / model, ".dcm")
    if model != "alzheimer":
        return sent
    series = [(name, (f"{name}.dcm", data)) for name, some in instances(draw(11, 0)).items() for data in some]
    return [*series, *[part for part in sent if part[0] == "genotypes"]]


@pytest.fixture(scope="module")
def answers(running: str) -> dict[str, dict[str, httpx.Response]]:
    """Per model and media type."""
    found: dict[str, dict[str, httpx.Response]] = {}
    for model in SPECS:
        form: dict[str, Any] = {"files": files(model), "data": {"metadata": metadata(model)}}
        url = f"{running}/predict/{model}"
        kinds = ("application/json", "application/dicom", BOTH)
        found[model] = {kind: httpx.post(url, headers={"Accept": kind}, timeout=120, **form) for kind in kinds}
        found[model]["maps"] = httpx.post(f"{url}?objects=map", headers={"Accept": BOTH}, timeout=120, **form)
    return found


def metadata(model: str) -> str:
    if model == "alzheimer":
        return json.dumps(draw(11, 0).fields)
    return (ROOT / "examples" / model / "metadata.json").read_text()


def objects(response: httpx.Response) -> list[bytes]:
    """The parts of a multipart answer."""
    head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
    return [part.get_payload(decode=True) for part in message_from_bytes(head + response.content).get_payload()]


@pytest.mark.parametrize("model", SPECS)
def test_the_report_says_what_the_json_says_number_for_number(answers, model):
    told = answers[model]["application/json"].json()
    response = answers[model]["application/dicom"]
    assert (response.status_code, response.headers["content-type"]) == (200, "application/dicom")
    read = groups(opened(response.content))
    for measurement in told["measurements"]:
        assert read[measurement["name"]].numbers[measurement["code"]["value"]] == measurement["value"]
        assert read[measurement["name"]].units[measurement["code"]["value"]] == measurement["unit"]
        if "interval" in measurement:
            assert read[measurement["name"]].numbers[terms.INTERVAL_LOW.value] == measurement["interval"]["low"]
    compare = exclusive if any(each.exclusive for each in SPECS[model].classifications) else independent
    compare(model, told, read)


def independent(_: str, told: dict[str, Any], read: dict[str, Group]) -> None:
    for finding in told["findings"]:
        group = read[finding["name"]]
        assert group.numbers[terms.CERTAINTY.value] == 100 * finding["probability"]
        assert group.numbers[terms.THRESHOLD.value] == 100 * finding["threshold"]
        assert group.finding == finding["code"]["value"]
        expected = terms.INDETERMINATE if "reservation" in finding else terms.PRESENT if finding["positive"] else terms.ABSENT
        assert group.judged[terms.POSITIVE.value] == expected.value


def exclusive(model: str, told: dict[str, Any], read: dict[str, Group]) -> None:
    (classification,), findings = SPECS[model].classifications, told["findings"]
    group = read[classification.tensor]
    for part, finding in zip(classification.classes, findings, strict=True):
        assert group.numbers[terms.class_probability(part).value] == 100 * finding["probability"]
    (chosen,) = [finding["code"]["value"] for finding in findings if finding["positive"]]
    assert [group.judged[each.value] for each in (terms.LIKELIEST, terms.CHOSEN) if each.value in group.judged] == [chosen]
    (among,) = told["prediction_sets"]
    assert group.numbers[terms.SET_LEVEL.value] == 100 * among["level"]
    assert group.among == [finding["code"]["value"] for finding in findings if finding["name"] in among["findings"]]


@pytest.mark.parametrize("model", SPECS)
def test_other_readers_find_no_fault(answers, model, tmp_path):
    for tool in ("dciodvfy", "dsr2html"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    report, page = objects(answers[model][BOTH])
    maps = [(f"map {number}", data) for number, data in enumerate(objects(answers[model]["maps"]))]
    assert len(maps) == len(SPECS[model].image_attention)
    for name, data in (("report", report), ("page", page), *maps):
        path = tmp_path / f"{name}.dcm"
        path.write_bytes(data)
        judged = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False).stderr
        assert "Error" not in judged, judged
    rendered = subprocess.run(["dsr2html", tmp_path / "report.dcm", tmp_path / "report.html"], capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    assert "Not for clinical use" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("model", SPECS)
def test_both_objects_belong_to_the_study_and_name_every_instance_that_was_read(answers, model):
    report, page = map(opened, objects(answers[model][BOTH]))
    assert (report.SOPClassUID, page.SOPClassUID) == (REPORT, PAGE)
    assert report.StudyInstanceUID == page.StudyInstanceUID
    sent = [opened(data) for name, (_, data) in files(model) if name != "genotypes"]
    assert report.StudyInstanceUID in {each.StudyInstanceUID for each in sent}
    read = sum(image.get("files", 1) for image in answers[model]["application/json"].json()["inputs"]["images"])
    assert evidence(report) == {each.SOPInstanceUID for each in sent}
    assert len(evidence(report)) == read
    assert opened(answers[model]["application/dicom"].content).SOPInstanceUID == report.SOPInstanceUID


def evidence(report: Dataset) -> set[str]:
    studies = [*report.get("CurrentRequestedProcedureEvidenceSequence", []), *report.get("PertinentOtherEvidenceSequence", [])]
    series = [each for study in studies for each in study.ReferencedSeriesSequence]
    return {instance.ReferencedSOPInstanceUID for each in series for instance in each.ReferencedSOPSequence}


@pytest.mark.parametrize("model", SPECS)
def test_each_map_lies_on_what_it_was_made_from_with_the_numbers_of_the_json(answers, model):
    told = answers[model]["application/json"].json()
    images = {image["input"]: image for image in told["inputs"]["images"]}
    sent = {each.SOPInstanceUID: each for each in (opened(data) for name, (_, data) in files(model) if name != "genotypes")}
    for attention, data in zip(told["attention"]["images"], objects(answers[model]["maps"]), strict=True):
        read, image = opened(data), images[attention["input"]]
        named = {each.ReferencedSOPInstanceUID for each in derived(read).SourceImageSequence}
        assert len(named) == image.get("files", 1)
        frames = {sent[uid].get("FrameOfReferenceUID", read.FrameOfReferenceUID) for uid in named}
        assert frames == {read.FrameOfReferenceUID}
        weights = np.frombuffer(read.FloatPixelData, "<f4").reshape(read.Rows, read.Columns)
        places = list(cells(attention, image))
        assert len(places) > attention["rows"] * attention["columns"] / 3
        for weight, column, row in places:
            assert weights[tuple(pixel(read, image, column, row))] == np.float32(weight)


def derived(read: Dataset) -> Dataset:
    return read.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]


def cells(attention: dict[str, Any], image: dict[str, Any]) -> Iterator[tuple[float, float, float]]:
    """The weight of each cell whose centre lies in the crop, and that centre's column and row in the original."""
    lies = Geometry(**image["geometry"])
    for row, weights in enumerate(attention["values"]):
        for column, weight in enumerate(weights):
            x, y = lies.original((column + 0.5) / attention["columns"], (row + 0.5) / attention["rows"])
            if lies.left <= x < lies.left + lies.width and lies.top <= y < lies.top + lies.height:
                yield weight, x, y


def pixel(read: Dataset, image: dict[str, Any], column: float, row: float) -> Any:
    """Row and column of the map where a point of the original lies; by the patient's coordinates where the map has them (PS3.3 C.7.6.2)."""
    if "plane" not in image:
        return int(row * read.Rows / image["rows"]), int(column * read.Columns / image["columns"])
    plane, shared = image["plane"], read.SharedFunctionalGroupsSequence[0]
    point = np.array(plane["origin_mm"]) + plane["spacing_mm"] * np.array([0, column - 0.5, 0.5 - row])  # a centre lies half a pixel in
    first = np.array(read.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient, float)
    directions = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    spacing = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    assert point[0] == pytest.approx(first[0], abs=1e-3)
    return np.rint((directions[::-1] @ (point - first)) / spacing).astype(int)


def test_what_the_chest_network_looked_into_is_outlined_within_the_image(answers):
    read = groups(opened(answers["chest"]["application/dicom"].content))
    image = answers["chest"]["application/json"].json()["inputs"]["images"][0]
    outlines = [group.outline for group in read.values() if group.outline]
    assert len(outlines) == 8
    for outline in outlines:
        columns, rows = outline[::2], outline[1::2]
        assert outline[:2] == outline[-2:]
        assert max(columns) - min(columns) > 8
        assert max(map(abs, columns)) <= 1.5 * image["columns"]
        assert max(map(abs, rows)) <= 1.5 * image["rows"]


def test_a_picture_without_a_header_is_refused_in_plain_words(running):
    folder = ROOT / "examples" / "bmd"
    form: dict[str, Any] = {"files": parts(folder, ".png"), "data": {"metadata": (folder / "metadata.json").read_text()}}
    response = httpx.post(f"{running}/predict/bmd", headers={"Accept": "application/dicom"}, timeout=60, **form)
    assert (response.status_code, response.headers["content-type"]) == (406, "application/problem+json")
    assert re.search("DICOM file", response.json()["hint"])


def test_the_readme_shows_how(readme):
    assert "Accept: application/dicom" in readme
