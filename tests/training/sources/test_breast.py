"""CBIS-DDSM's tables with their traps; and that the 36 values carry on the real tables what they are known to carry."""

import csv

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models.breast import DESCRIPTORS
from models.metadata import validate
from models.prediction import FieldValue
from models.preprocess import table_tensors
from tests.models.decode.real import DATA, needs_data
from training.phantoms.breast import write
from training.sources import CohortError
from training.sources.breast import PATHOLOGIES, PATHS, TABLES, crop_of, descriptors, read, tabulated

REAL = DATA / "mammography" / "cbis_ddsm_csv"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesions") / "cohort"
    write(folder, 40, 4, rows=96, progress=False, workers=1)
    return folder


def encoded(record):
    """One row of a table as the network sees it: through the service's own validation."""
    given = validate(DESCRIPTORS, descriptors(record))
    sources = {field.name: "request" if field.name in given else "missing" for field in DESCRIPTORS.fields}
    values = {name: FieldValue(given.get(name), source) for name, source in sources.items()}
    return table_tensors(DESCRIPTORS, values)["clinical"]


def test_phantoms_are_read_as_the_real_tables_are(cohort):
    rows = read(cohort)
    assert len(rows) == 40
    assert {row.metadata["lesion_type"] for row in rows} == {"mass", "calcification"}
    assert all(row.target["benign"] + row.target["malignant"] == 1 for row in rows)


def test_a_crop_is_taken_wherever_it_stands(cohort):
    _, _, record = next(tabulated(cohort))
    swapped = {**record, PATHS[0]: record[PATHS[1]], PATHS[1]: record[PATHS[0]]}
    assert crop_of(cohort, swapped) == crop_of(cohort, record)
    assert crop_of(cohort, record).name == "000000.dcm"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"breast_density": "3", "mass shape": "OVAL-LYMPH_NODE"}, {"density": "3", "shape": ["LYMPH_NODE", "OVAL"]}),
        ({"breast_density": "1", "mass margins": "N/A"}, {"density": "1"}),
        ({"breast density": "0", "calc type": "PLEOMORPHIC-PLEOMORPHIC", "calc distribution": "NA"}, {"calc_type": ["PLEOMORPHIC"]}),
        ({"breast density": "2", "calc distribution": " clustered "}, {"density": "2", "calc_distribution": ["CLUSTERED"]}),
    ],
)
def test_cells_become_fields(record, expected):
    assert descriptors(record) == expected


def test_training_rows_of_patients_who_are_tested_are_left_out(cohort, tmp_path):
    for path in cohort.iterdir():
        (tmp_path / path.name).symlink_to(path)
    with (cohort / "mass_case_description_train_set.csv").open(newline="") as stream:
        record = next(csv.DictReader(stream))
    with (tmp_path / "calc_case_description_test_set.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, [*record, "breast density", "calc type", "calc distribution"], restval="N/A")
        table.writeheader()
        table.writerow({name: value for name, value in record.items() if name not in {"mass shape", "mass margins"}})
    rows = read(tmp_path)
    assert [row.strata["part"] for row in rows if row.group == record["patient_id"]] == ["test"]


@pytest.mark.parametrize(("column", "value"), [("pathology", "UNSURE"), ("mass shape", "SQUARE"), ("cropped image file path", "../x.dcm")])
def test_every_fault_is_named_and_no_value_repeated(cohort, tmp_path, column, value):
    for path in cohort.iterdir():
        (tmp_path / path.name).symlink_to(path)
    table = "mass_case_description_train_set.csv"
    with (cohort / table).open(newline="") as stream:
        records = list(csv.DictReader(stream))
    records[2] |= {column: value, **({"ROI mask file path": "nowhere.dcm"} if "path" in column else {})}
    (tmp_path / table).unlink()
    with (tmp_path / table).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    with pytest.raises(CohortError) as error:
        read(tmp_path)
    assert {problem.column for problem in error.value.problems} == {column}
    assert value not in str(error.value)


def test_a_folder_without_tables_is_told(tmp_path):
    with pytest.raises(CohortError, match=r"breast\.md"):
        read(tmp_path)


@needs_data
def test_the_descriptors_alone_reach_what_is_known_of_the_real_tables():
    found = [(TABLES[table], record) for table, _, record in tabulated(REAL)]
    assert len(found) == 3568
    tested = {record["patient_id"] for (_, part), record in found if part == "test"}
    parts = {
        part: [record for (_, of), record in found if of == part and (part == "test" or record["patient_id"] not in tested)]
        for part in ("train", "test")
    }
    assert {record["patient_id"] for record in parts["train"]} & tested == set()
    assert len(parts["test"]) == 704
    x, y = ({part: np.array([read_one(record) for record in some]) for part, some in parts.items()} for read_one in (encoded, _malignant))
    fitted = LogisticRegression(max_iter=5000).fit(x["train"], y["train"])
    assert roc_auc_score(y["test"], fitted.decision_function(x["test"])) == pytest.approx(0.80, abs=0.02)


def _malignant(record):
    return PATHOLOGIES[record["pathology"]]
