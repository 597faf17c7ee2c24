"""Real films and scans, as they come, to every model that is served: answered, or refused with a reason."""

from __future__ import annotations

import itertools
import json
import tarfile

import httpx
import pytest

from models import SPECS
from tests.contract.conftest import ROOT
from tests.contract.test_examples import parts
from tests.models.decode.real import DATA, needs_data

pytestmark = [pytest.mark.slow, needs_data]
KINDS = {  # kind -> which files, and the model that reads such a picture
    "chest": ("chest_xray/nih_512/*.jpg", "chest"),
    "intensive care chest": ("chest_xray/hannover_512/*", "chest"),
    "chest DICOM": ("chest_xray/dicom/*.dcm", "chest"),
    "mammogram": ("mammography/cdd_cesm/**/*.jpg", "breast"),
    "mammogram DICOM": ("mammography/dicom/*.dcm", "breast"),
    "infant pelvis": ("hip/ddh_pelvis_dicom/*.dcm", ""),
    "PET slice": ("alzheimer/pet_dicom/*", ""),
    "MR template": ("alzheimer/*.nii.gz", ""),
}


def metadata(model: str) -> str:
    return (ROOT / "examples" / model / "metadata.json").read_text()


def post(running: str, model: str, files: list[tuple[str, tuple[str, bytes]]], said: str) -> httpx.Response:
    return httpx.post(f"{running}/predict/{model}", files=files, data={"metadata": said}, timeout=60)


def is_reasoned(answer: httpx.Response) -> bool:
    """Whether it is a refusal that names what is wrong and what to do."""
    problem = answer.json()
    return answer.status_code in {413, 415, 422} and bool(problem["code"] and problem["detail"] and problem["hint"])


@pytest.mark.parametrize("model", SPECS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_real_picture_is_answered_by_its_model_or_refused_with_a_reason(running: str, model: str, kind: str) -> None:
    pattern, reader = KINDS[kind]
    paths = [path for path in sorted(DATA.glob(pattern)) if path.is_file()][:2]
    assert paths
    said = "{}" if reader == model else metadata(model)  # the example's patient is another one
    for image, path in itertools.product(SPECS[model].images, paths):
        answer = post(running, model, [(image.name, (path.name, path.read_bytes()))], said)
        assert is_reasoned(answer) or (answer.status_code == 200 and model == reader), answer.text


@pytest.mark.parametrize(("said", "status"), [({}, 200), ({"age_years": 68.2}, 422)])
def test_a_real_t1_series_is_one_volume_of_the_patient_in_its_header(running: str, said: dict[str, float], status: int) -> None:
    with tarfile.open(DATA / "alzheimer" / "t1_dicom_series_studyforrest.tar.xz") as archive:
        series = [archive.extractfile(member).read() for member in archive.getmembers() if member.isfile()]  # type: ignore[union-attr]
    example = {name: data for name, (_, data) in parts(ROOT / "examples" / "alzheimer", ".dcm")}
    files = [("mri", (f"{index}.dcm", data)) for index, data in enumerate(series)]
    files += [(name, (name, example[name])) for name in ("pet", "genotypes")]
    scores = {name: value for name, value in json.loads(metadata("alzheimer")).items() if name not in {"age_years", "sex"}}
    answer = post(running, "alzheimer", files, json.dumps(scores | said))
    assert answer.status_code == status, answer.text
    if status == 200:
        (mri, _) = answer.json()["inputs"]["images"]
        assert (mri["files"], mri["lut"]) == (384, "modality values")  # its Rescale Type is "unspecified": no unit to name
    else:
        assert answer.json()["code"] == "metadata_conflict"


def test_genotypes_of_another_panel_are_refused(running: str) -> None:
    files = [part for part in parts(ROOT / "examples" / "alzheimer", ".dcm") if part[0] != "genotypes"]
    path = DATA / "alzheimer" / "genotypes_1kg_chr21.vcf.gz"
    answer = post(running, "alzheimer", [*files, ("genotypes", (path.name, path.read_bytes()))], metadata("alzheimer"))
    assert is_reasoned(answer)
    assert answer.json()["code"] == "unsuitable_genotypes"
