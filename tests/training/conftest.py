"""One phantom cohort for all tests of training."""

import pytest

from tests.training.cohort import CASES, ROWS
from training.phantoms.bmd import write
from training.pipeline import read_cohort


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write(folder, CASES, 5, rows=ROWS, progress=False)
    return folder


@pytest.fixture(scope="session")
def cohort(cohort_folder, tmp_path_factory):
    return read_cohort("bmd", cohort_folder, tmp_path_factory.mktemp("tensors"))
