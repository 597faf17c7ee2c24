"""A clean phantom cohort of each model, written once; each fault is planted in a copy."""

import importlib
import shutil

import pytest

from tests.training.inspection.cohort import CASES, ROWS, SEED, Cohort


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
        return Cohort(model, shutil.copytree(clean(model).folder, tmp_path / "cohort"))

    return copy
