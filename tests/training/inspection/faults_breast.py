"""What can be wrong with a cohort of lesions."""

from tests.training.inspection import faults
from tests.training.inspection.cohort import dicom
from tests.training.inspection.faults import Found

MASS, TEST = "mass_case_description_train_set.csv", "mass_case_description_test_set.csv"
CALC = "calc_case_description_train_set.csv"


def missing(cohort):
    for path in cohort.file(3).parent.iterdir():
        path.unlink()
    return Found("table", "cropped image file path names a file that does not exist", cohort.rows[3].place)


def alike(cohort):
    """Two lesions of one side."""
    first = cohort.rows[0]
    return 0, next(index for index, row in enumerate(cohort.rows) if index and row.side == first.side)


def other_kind(cohort):
    with dicom(cohort.file(8)) as dataset:
        dataset.Modality = "CR"
    return Found("unsuitable", "modality is not MG", cohort.rows[8].place)


def leak(cohort):
    for table in (MASS, CALC):
        with cohort.table(table) as records:
            for record in records:
                record["breast_density" if table == MASS else "breast density"] = "4" if record["pathology"] == "MALIGNANT" else "1"
    return Found("leak", "The field density gives malignant away (AUC 1.000)")


def bad_cell(cohort):
    with cohort.table(MASS) as records:
        records[2]["mass margins"] = "CLOUDY"
    return Found("table", "mass margins is none of CIRCUMSCRIBED", MASS)


def contradiction(cohort):
    with cohort.table(MASS) as records:
        turned = {"MALIGNANT": "BENIGN", "BENIGN": "MALIGNANT", "BENIGN_WITHOUT_CALLBACK": "MALIGNANT"}
        records.append({**records[1], "pathology": turned[records[1]["pathology"]]})
    return Found("contradiction", "the same byte for byte, and with different labels", cohort.rows[1].place)


def counted_twice(cohort):
    with cohort.table(MASS) as records:
        records.append(records[1])
    return Found("duplicate", "byte for byte, of the same patient", cohort.rows[1].place, "look")


def header(cohort):
    with dicom(cohort.file(9)) as dataset:
        dataset.Laterality = "L" if dataset.Laterality == "R" else "R"
    return Found("header", "1 row has one side in the table and another in the header", cohort.rows[9].place)


def in_both_parts(cohort):
    with cohort.table(MASS) as records:
        record = records.pop()
        header_line = (cohort.folder / MASS).read_text().splitlines()[0]
        records.append({**record, "abnormality id": "2"})
    (cohort.folder / TEST).write_text(header_line + "\n")
    with cohort.table(TEST) as records:
        records.append(record)
    return Found("left_out", "training rows of patients who stand in a test table too", "", "look")


TWELVE = {
    "missing": missing, "truncated": faults.truncated, "constant": faults.constant, "saturated": faults.saturated,
    "too small": faults.too_small, "same file": lambda cohort: faults.same_file(cohort, *alike(cohort)),
    "same pixels": lambda cohort: faults.same_pixels(cohort, *alike(cohort)), "other kind": other_kind, "leak": leak, "bad cell": bad_cell,
    "contradiction": contradiction, "header": header,
}  # fmt: skip
MORE = {"counted twice": counted_twice, "in both parts": in_both_parts}
