"""An MRI and a PET that an archive holds as two studies: one result, in the study of the MRI, whichever comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from service.gateway.config import GatewayConfig, GatewayConfigError
from tests.service.gateway.test_worker import PACS, Bench, FakeService, made
from tests.service.studies import hip_dicom

SMALL = {"Rows": 8, "Columns": 8, "PixelData": bytes(128)}
ROUTE = {"name": "heads", "model": "alzheimer", "match": {"Modality": ["MR", "PT"]}, "destinations": ["pacs"]}
JOIN = {"model": "alzheimer", "days": 90, "wait_s": 1000}
MRI, PET = "1.2.1", "1.2.2"


def scan(study: str, modality: str, number: int = 1, **changed: Any) -> bytes:
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.9", "SOPInstanceUID": f"{study}.{number}"}
    return hip_dicom(**SMALL | uids | {"Modality": modality, "BodyPartExamined": "HEAD"} | changed)


def mri(number: int = 1, **changed: Any) -> bytes:
    return scan(MRI, "MR", number, **{"StudyDate": "20240102"} | changed)


def pet(number: int = 1, **changed: Any) -> bytes:
    return scan(PET, "PT", number, **{"StudyDate": "20240301"} | changed)


def bench(folder: Path, **changed: Any) -> Bench:
    told = {"routes": [ROUTE], "destinations": [PACS], "joins": [JOIN], "receive": {"any_caller": True, "quiet_s": 5}} | changed
    return Bench(folder, FakeService((made("9.1"), made("9.2"))), **told)


def asked(bench: Bench) -> list[list[str]]:
    """Studies of the files of each question."""
    return [[str(dcmread(DicomBytesIO(data)).StudyInstanceUID) for data in each.files] for each in bench.service.asked]


def settle(bench: Bench) -> None:
    while bench.worker.step():
        pass


@pytest.mark.parametrize("first", ["mri", "pet"])
def test_whichever_comes_first_there_is_one_result_in_the_study_of_the_mri(first: str, tmp_path: Path) -> None:
    both = bench(tmp_path)
    one, other = (mri(), pet()) if first == "mri" else (pet(), mri())
    both.receive(one)
    assert both.later()
    assert asked(both) == [], "it waits for the other"
    both.now += 500
    both.receive(other)
    both.now += 10
    settle(both)
    assert asked(both) == [[MRI, PET]]
    assert [uid for _, uid, _ in both.due()] == ["9.1", "9.2"]
    assert both.ledger.counts()["jobs", "done"] == 2
    both.now += 10_000
    settle(both)
    assert asked(both) == [[MRI, PET]]


def test_studies_that_come_together_wait_for_each_other_to_come_to_rest(tmp_path: Path) -> None:
    both = bench(tmp_path)
    both.receive(mri())
    both.now += 4
    both.receive(pet())
    both.now += 2
    settle(both)
    assert asked(both) == []
    both.receive(pet(2))
    both.now += 10
    settle(both)
    assert asked(both) == [[MRI, PET, PET]]


@pytest.mark.parametrize("alone", ["mri", "pet"])
def test_who_has_waited_in_vain_is_evaluated_alone(alone: str, tmp_path: Path) -> None:
    one = bench(tmp_path)
    one.receive(mri() if alone == "mri" else pet())
    assert one.later()
    assert not one.later(900)
    assert one.later(100)
    assert asked(one) == [[MRI if alone == "mri" else PET]]


def test_what_comes_after_the_wait_makes_the_other_be_evaluated_once_more(tmp_path: Path) -> None:
    both = bench(tmp_path)
    both.receive(mri())
    both.now += 2000
    settle(both)
    both.receive(pet())
    both.now += 10
    settle(both)
    assert asked(both) == [[MRI], [MRI, PET]]


def test_more_of_the_other_study_is_evaluated_too(tmp_path: Path) -> None:
    both = bench(tmp_path)
    both.receive(mri())
    both.receive(pet())
    both.now += 10
    settle(both)
    both.receive(pet(2))
    both.now += 10
    settle(both)
    assert asked(both) == [[MRI, PET], [MRI, PET, PET]]


@pytest.mark.parametrize(
    "changed", [{"PatientID": "somebody else"}, {"StudyDate": "20240402"}, {"StudyDate": ""}, {"IssuerOfPatientID": "X"}]
)
def test_what_does_not_belong_together_stays_apart(changed: dict[str, str], tmp_path: Path) -> None:
    both = bench(tmp_path)
    both.receive(mri())
    both.receive(pet(**changed))
    both.now += 2000
    settle(both)
    assert sorted(asked(both)) == [[MRI], [PET]]


def test_of_two_the_nearer_one_is_taken(tmp_path: Path) -> None:
    both = bench(tmp_path)
    both.receive(mri())
    both.receive(scan("1.2.3", "PT", StudyDate="20240103"))
    both.receive(pet())
    both.now += 10
    settle(both)
    assert asked(both) == [[MRI, "1.2.3"]]


def test_a_study_that_has_everything_waits_for_nobody(tmp_path: Path) -> None:
    whole = bench(tmp_path)
    whole.receive(mri())
    whole.receive(scan(MRI, "PT", 2, StudyDate="20240102"))
    assert whole.later()
    assert asked(whole) == [[MRI, MRI]]


def test_without_a_rule_nothing_is_joined(tmp_path: Path) -> None:
    both = bench(tmp_path, joins=[])
    both.receive(mri())
    both.receive(pet())
    both.now += 10
    settle(both)
    assert sorted(asked(both)) == [[MRI], [PET]]


@pytest.mark.parametrize("joins", [[{"model": "bmd", "days": 1, "wait_s": 1}], [JOIN, JOIN], [{"model": "torso", "days": 1, "wait_s": 1}]])
def test_a_rule_that_can_join_nothing_is_a_mistake(joins: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises((GatewayConfigError, ValueError), match="joins"):
        GatewayConfig.model_validate(
            {"spool": tmp_path, "receive": {"any_caller": True}, "routes": [ROUTE], "destinations": [PACS], "joins": joins}
        )
