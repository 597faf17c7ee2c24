"""A clean phantom cohort of each model, written once; each fault is planted in a copy."""

import hashlib
import importlib
import shutil

import pytest

from tests.training.inspection.cohort import CASES, ROWS, SEED, Cohort
from training.data import study_of
from training.inspection import reading


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    written = {}

    def write(model):
        if model not in written:
            folder = tmp_path_factory.mktemp(model) / "cohort"
            importlib.import_module(f"training.phantoms.{model}").write(folder, CASES, SEED, rows=ROWS[model], progress=False, workers=1)
            written[model] = Cohort(model, folder)
        return written[model]

    return write


@pytest.fixture
def copied(clean, tmp_path):
    def copy(model):
        cohort = Cohort(model, shutil.copytree(clean(model).folder, tmp_path / "cohort"))
        assert cohort.rows  # read before anything is planted
        return cohort

    return copy


@pytest.fixture(scope="session")
def studies_read():
    return {}


@pytest.fixture(autouse=True)
def each_study_is_read_once(studies_read, monkeypatch):
    """A fault touches one study or a few: what is the same to the last byte, metadata included, was read for an earlier test."""
    see = reading.see

    def remembered(spec, job):
        row, shown = job
        study = study_of(row)
        files = [(part.input, hashlib.sha256(part.data).hexdigest()) for part in study.parts]
        key = (spec.model_dump_json(), repr(sorted(study.metadata.items())), tuple(row.images), tuple(files), shown)
        if key not in studies_read:
            studies_read[key] = see(spec, job)
        return studies_read[key]

    monkeypatch.setattr(reading, "see", remembered)
