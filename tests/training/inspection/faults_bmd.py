"""What can be wrong with a cohort of hips."""

from tests.training.inspection import faults
from tests.training.inspection.cohort import dicom
from tests.training.inspection.faults import Found

TABLE = "cohort.csv"
TWINS = (3, 6)  # men, left hips: what else the table says of the first is copied to the second


def missing(cohort):
    faults.missing(cohort)
    return Found("table", "image names a file that does not exist", "cohort.csv:5")


def twins(plant):
    def planted(cohort):
        with cohort.table(TABLE) as records:
            one, other = (records[index] for index in TWINS)
            other |= {name: value for name, value in one.items() if name not in ("patient_id", "image")}
        return plant(cohort, *TWINS)

    return planted


def other_kind(cohort):
    with dicom(cohort.file(8)) as dataset:
        dataset.Modality = "CT"
    return Found("unsuitable", "modality is not CR or DX", "000008.dcm")


def leak(cohort):
    with cohort.table(TABLE) as records:
        for record in records:
            record["diet_quality_score"] = f"{4 * (float(record['femoral_neck_bmd_g_cm2']) - 0.9):.3f}"
    return Found("leak", "The field diet_quality_score gives femoral_neck_bmd away")


def bad_cell(cohort):
    with cohort.table(TABLE) as records:
        records[9]["smoking_status"] = "sometimes"
    return Found("table", "smoking_status unknown level", "cohort.csv:11")


def contradiction(cohort):
    with cohort.table(TABLE) as records:
        records[10]["bmi"] = f"{float(records[10]['bmi']) + 4:.2f}"
    return Found("table", "bmi differs by more than 0.5 from weight_kg", "cohort.csv:12")


def header(cohort):
    with cohort.table(TABLE) as records:
        records[11]["sex"] = "male" if records[11]["sex"] == "female" else "female"
    return Found("header", "the table contradicts the DICOM header in: sex", "cohort.csv:13")


def unit(cohort):
    with cohort.table(TABLE) as records:
        for index in (0, 1, 2):
            records[index] |= {"height_cm": f"{float(records[index]['height_cm']) / 100:.3f}", "bmi": ""}
    return Found("unit", "height_cm lies outside [120, 220]. It looks like metres", "cohort.csv:3")


def target_unit(cohort):
    with cohort.table(TABLE) as records:
        records[0]["femoral_neck_bmd_g_cm2"] = "812"
    return Found("unit", "It looks like mg/cm2", "cohort.csv:2")


def quiet_unit(cohort):
    """Hours a day are possible minutes a day, but not among these people."""
    with cohort.table(TABLE) as records:
        for record in records:
            record["physical_activity_min_per_day"] = record["physical_activity_min_per_day"] or "150"
        records[12]["physical_activity_min_per_day"] = "2.5"
    words = "physical_activity_min_per_day: 1 value lies far from all others, and would lie among them in hours a day"
    return Found("unit", words, "cohort.csv:14", "look")


def side(cohort):
    with dicom(cohort.file(0)) as dataset:
        dataset.ImageLaterality = "L" if dataset.ImageLaterality == "R" else "R"
    return Found("header", "The side that the table states is not the side of the image", "cohort.csv:2")


def age(cohort):
    with dicom(cohort.file(1)) as dataset:
        dataset.PatientAge, dataset.PatientBirthDate = "030Y", ""
    return Found("header", "the table contradicts the DICOM header in: age_at_xray_years", "cohort.csv:3")


def one_patient(cohort):
    with dicom(cohort.file(0)) as first, dicom(cohort.file(1)) as second:
        second.PatientID, second.PatientName, second.PatientBirthDate = first.PatientID, first.PatientName, first.PatientBirthDate
    return Found("patient", "1 patient is one in the headers and several in the tables", "cohort.csv:2 and cohort.csv:3")


def twice(cohort):
    with cohort.table(TABLE) as records:
        records[13]["patient_id"] = records[12]["patient_id"]
    return Found("table", "patient_id the patient already stands in line 14", "cohort.csv:15")


def no_column(cohort):
    path = cohort.folder / TABLE
    path.write_text(path.read_text().replace("bmd_scale", "scale", 1))
    return [Found("table", "bmd_scale column is missing", "cohort.csv:1"), Found("table", "scale unknown column", "cohort.csv:1")]


TWELVE = {
    "missing": missing, "truncated": faults.truncated, "constant": faults.constant,
    "saturated": lambda cohort: faults.saturated(cohort, 10),  # its values are not inverted
    "too small": faults.too_small, "same file": twins(faults.same_file), "same pixels": twins(faults.same_pixels), "other kind": other_kind,
    "leak": leak, "bad cell": bad_cell, "contradiction": contradiction, "header": header,
}  # fmt: skip
MORE = {
    "unit": unit, "target's unit": target_unit, "quiet unit": quiet_unit, "side": side, "age": age, "one patient": one_patient,
    "patient twice": twice, "no column": no_column,
}  # fmt: skip
