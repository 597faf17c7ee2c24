"""A modality stores studies in a real Orthanc, Orthanc forwards them, and the results come back into it, beside the images."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from models import SPECS
from service.formats import terms
from tests.contract.conftest import ROOT, free_port
from tests.contract.gateways import GatewayProcess, running_gateway
from tests.contract.test_scans import instances
from tests.service.formats.dicom.reading import groups, opened
from tests.service.gateway.peers import running as server
from training.phantoms.alzheimer import genome
from training.phantoms.alzheimer.patient import draw

pytestmark = pytest.mark.slow
PHANTOM = draw(11, 0)
REPORT, PAGE, MAP = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("88.34", "7", "30"))
RESULTS = {model: 2 + len(spec.image_attention) for model, spec in SPECS.items()}  # a report, a page, and a map of each image
STUDIES = {model: f"2.25.1000{number}" for number, model in enumerate(SPECS)}
PET_STUDY = f"{STUDIES['alzheimer']}9"  # the PET of a head is a study of its own, which is joined with that of the MRI
DEPLOYED = ROOT / "deploy" / "orthanc"
CONFIG = """
spool = "{folder}/spool"
service = "{service}"
sidecars = "{folder}/sidecars"
[receive]
port = {port}
quiet_s = 1.5
min_free_bytes = 1000000
callers = [{{ ae_title = "ORTHANC", address = "127.0.0.1" }}]
[[routes]]
name = "hips"
model = "bmd"
match = {{ Modality = ["DX", "CR"], BodyPartExamined = ["HIP", "PELVIS"] }}
destinations = ["orthanc"]
[[routes]]
name = "mammograms"
model = "breast"
match = {{ Modality = ["MG"] }}
destinations = ["orthanc"]
[[routes]]
name = "chests"
model = "chest"
match = {{ Modality = ["DX", "CR"], BodyPartExamined = ["CHEST"] }}
destinations = ["orthanc"]
[[routes]]
name = "heads"
model = "alzheimer"
match = {{ Modality = ["MR", "PT"] }}
destinations = ["orthanc"]
[[joins]]
model = "alzheimer"
days = 365
wait_s = 600
[[destinations]]
kind = "dicom"
name = "orthanc"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {orthanc}
sends = ["report", "page", "map"]
"""


def study(model: str) -> list[bytes]:
    """The model's example as a modality sends it, with the accession number by which its metadata are found; MRI and PET as two studies."""
    data = [data for some in instances(PHANTOM).values() for data in some] if model == "alzheimer" else [example(model, "image.dcm")]
    return [numbered(each, model) for each in data]


def example(model: str, name: str) -> bytes:
    return (ROOT / "examples" / model / name).read_bytes()


def numbered(data: bytes, model: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.AccessionNumber = f"ACC-{model}"[:16]
    dataset.StudyInstanceUID = PET_STUDY if dataset.Modality == "PT" else STUDIES[model]
    target = io.BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def leave_sidecars(folder: Path) -> None:
    folder.mkdir()
    for model in SPECS:
        metadata = json.dumps(PHANTOM.fields) if model == "alzheimer" else example(model, "metadata.json").decode()
        (folder / f"{f'ACC-{model}'[:16]}.json").write_text(metadata)
    (folder / "ACC-alzheimer.vcf.gz").write_bytes(genome.vcf(PHANTOM.calls, "phantom"))


@contextmanager
def orthanc(folder: Path, dicom: int, gateway: int) -> Iterator[str]:
    """The archive as docker-compose.yml has it, on this machine's ports."""
    http = free_port()
    folder.mkdir()
    settings = json.loads((DEPLOYED / "orthanc.json").read_text()) | {
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": http, "DicomPort": dicom, "StableAge": 2,
        "RemoteAccessAllowed": False, "LuaScripts": [str(DEPLOYED / "forward.lua")],
        "DicomModalities": {"chiasm": ["CHIASM", "127.0.0.1", gateway]}, "Plugins": [],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with server(["Orthanc", str(folder / "orthanc.json")], http):
        yield f"http://127.0.0.1:{http}"


def store(port: int, files: list[bytes]) -> None:
    """As a modality: one association."""
    entity = AE("MODALITY")
    datasets = [pydicom.dcmread(io.BytesIO(data)) for data in files]
    for dataset in datasets:
        entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title="ORTHANC")
    assert association.is_established
    assert [association.send_c_store(dataset).Status for dataset in datasets] == [0] * len(datasets)
    association.release()


def results(archive: str, uid: str) -> list[Dataset]:
    """What the archive holds of a study that this service has made."""
    query = {"Level": "Series", "Query": {"StudyInstanceUID": uid, "SeriesDescription": "Chiasm *"}}
    series = httpx.post(f"{archive}/tools/find", json=query, timeout=60).json()
    found = [each for one in series for each in httpx.get(f"{archive}/series/{one}", timeout=60).json()["Instances"]]
    return [opened(httpx.get(f"{archive}/instances/{each}/file", timeout=60).content) for each in found]


def wait_for(archive: str, seconds: float, gateway: GatewayProcess) -> dict[str, list[Dataset]]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = {model: results(archive, uid) for model, uid in STUDIES.items()}
        if all(len(some) >= RESULTS[model] for model, some in found.items()):
            return found
        time.sleep(1)
    pytest.fail(f"not all results came back within {seconds} s\n{gateway.log()[-3000:]}")


def asked_directly(service: str, model: str, files: list[bytes]) -> dict[str, Any]:
    """The JSON answer of the same files."""
    metadata = PHANTOM.fields if model == "alzheimer" else json.loads(example(model, "metadata.json"))
    if model == "alzheimer":
        kinds = [("mri" if opened(data).Modality == "MR" else "pet", ("file", data)) for data in files]
        kinds.append(("genotypes", ("file", genome.vcf(PHANTOM.calls, "phantom"))))
    else:
        kinds = [("image", ("file", files[0]))]
    response = httpx.post(f"{service}/predict/{model}", files=kinds, data={"metadata": json.dumps(metadata)}, timeout=120)
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.mark.timeout(420)
@pytest.mark.skipif(shutil.which("Orthanc") is None, reason="Orthanc is not installed")
def test_results_come_back_into_the_archive_that_forwarded_the_studies(running: str, serve_python: Path, tmp_path: Path) -> None:
    dicom, door = free_port(), free_port()
    leave_sidecars(tmp_path / "sidecars")
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(folder=tmp_path, service=running, port=door, orthanc=dicom))
    sent = {model: study(model) for model in SPECS}
    with running_gateway(serve_python, config, door) as gateway, orthanc(tmp_path / "orthanc", dicom, door) as archive:
        for files in sent.values():
            store(dicom, files)
        found = wait_for(archive, 150, gateway)
        for model, files in sent.items():
            same_numbers(found[model], asked_directly(running, model, files))
        assert studies_of_evidence(found["alzheimer"]) == {STUDIES["alzheimer"], PET_STUDY}
        assert studies_beside(found["alzheimer"]) == [PET_STUDY]
        # The results made each study come to rest once more, and be forwarded once more: nothing new may come of it.
        time.sleep(8)
        assert {model: len(results(archive, uid)) for model, uid in STUDIES.items()} == RESULTS
        assert results(archive, PET_STUDY) == []
        assert gateway.stop() == 0
        assert not any(name in gateway.log() for name in ("PHANTOM", "phantom-"))


def studies_of_evidence(objects: list[Dataset]) -> set[str]:
    """The studies whose instances the report names as what it was made from: its own, and others (PS3.3 C.17.2)."""
    (report,) = [each for each in objects if each.SOPClassUID == REPORT]
    named = [*report.CurrentRequestedProcedureEvidenceSequence, *report.PertinentOtherEvidenceSequence]
    return {str(study.StudyInstanceUID) for study in named}


def studies_beside(objects: list[Dataset]) -> list[str]:
    """The other studies that maps were made from: they lie in the study of the report all the same (PS3.3 C.12.2)."""
    maps = [each for each in objects if each.SOPClassUID == MAP]
    return [str(study.StudyInstanceUID) for each in maps for study in each.get("StudiesContainingOtherReferencedInstancesSequence", [])]


def same_numbers(objects: list[Dataset], told: dict[str, Any]) -> None:
    """One report, one page and the maps, and the report says what the JSON says."""
    maps = [MAP] * len(told["attention"]["images"])
    assert sorted(each.SOPClassUID for each in objects) == sorted((REPORT, PAGE, *maps))
    (report,) = [each for each in objects if each.SOPClassUID == REPORT]
    read = groups(report)
    for measurement in told["measurements"]:
        assert read[measurement["name"]].numbers[measurement["code"]["value"]] == measurement["value"]
    numbers = {number for group in read.values() for number in group.numbers.values()}
    assert {100 * finding["probability"] for finding in told["findings"]} <= numbers
    assert not any(terms.EVALUATION.value in group.judged for group in read.values())
