"""What can be wrong with a cohort of chests. Its films have no header: in its place a patient stands in both tables."""

import numpy as np
from PIL import Image

from tests.training.inspection import faults
from tests.training.inspection.cohort import with_pixels, write_jpeg
from tests.training.inspection.faults import Found
from training.sources.chest import COLUMNS

TABLE = "train.csv"


def line(cohort, index):
    """The record of a row: lateral films stand in the table and are no rows."""
    return int(cohort.rows[index].place.partition(":")[2]) - 2


def missing(cohort):
    faults.missing(cohort)
    return Found("table", "Path names a file that does not exist", cohort.rows[3].place)


def other_kind(cohort):
    pixels = np.asarray(Image.open(cohort.file(8)).convert("RGB")).copy()
    pixels[:40, :40] = (255, 0, 0)
    write_jpeg(cohort.file(8), pixels)
    return Found("unsuitable", "colour", cohort.rows[8].place)


def leak(cohort):
    with cohort.table(TABLE) as records:
        for record in records:
            record["Age"] = "80" if record["Lung Opacity"] in ("1.0", "-1.0") else "40"
    return Found("leak", "The field age_years gives lung_opacity away")


def bad_cell(cohort):
    with cohort.table(TABLE) as records:
        records[line(cohort, 9)]["Edema"] = "2.0"
    return Found("table", "Edema is none of 1.0, 0.0, -1.0", cohort.rows[9].place)


def contradiction(cohort):
    with cohort.table(TABLE) as records:
        records[line(cohort, 10)] |= {"No Finding": "1.0", "Edema": "1.0"}
    return Found("contradiction", "no_finding stands beside a finding", cohort.rows[10].place)


def split(cohort):
    """The film of one patient becomes one of another, in the other table."""
    moved, other = cohort.rows[11], cohort.rows[12]
    path = cohort.folder / "valid" / other.patient / "study2" / "view1_frontal.jpg"
    path.parent.mkdir(parents=True)
    with cohort.table(TABLE) as records:
        record = records.pop(line(cohort, 11))
    moved.images["image"].rename(path)
    (cohort.folder / "valid.csv").write_text(",".join(COLUMNS) + "\n")
    with cohort.table("valid.csv") as records:
        records.append({**record, "Path": f"CheXpert-v1.0-phantoms/{path.relative_to(cohort.folder)}"})
    return Found("split", "1 patient stands in more than one part: train and valid", "valid.csv:2")


def unit(cohort):
    with cohort.table(TABLE) as records:
        for index in (1, 2):
            records[line(cohort, index)]["Age"] = "696"
    return Found("unit", "Age is no number of years from 0 (unknown) to 120. It looks like months", cohort.rows[1].place)


def child(cohort):
    with cohort.table(TABLE) as records:
        records[line(cohort, 2)]["Age"] = "9"
    return Found("field", "age_years: 1 value cannot be used: input should be greater than or equal to 18", cohort.rows[2].place)


def negative(cohort):
    with_pixels(cohort.file(13), lambda pixels: 255 - pixels)
    return Found("odd", "dark where others are bright", cohort.rows[13].place, "look")


def turned(cohort):
    with_pixels(cohort.file(14), lambda pixels: np.ascontiguousarray(np.rot90(pixels, 2)))
    return Found("odd", "1 picture is upside down", cohort.rows[14].place, "look")


def sizes(cohort):
    """Whoever has a finding was filmed elsewhere: the size of the file's picture tells."""
    for row in cohort.rows:
        if row.target["lung_opacity"]:
            with_pixels(row.images["image"], lambda pixels: np.pad(pixels, 1, "edge"))
    told = ("The number of rows", "The number of columns", "The file size")  # the last for these files were written anew
    return [Found("leak", f"{words} of image gives lung_opacity away") for words in told]


TWELVE = {
    "missing": missing, "truncated": faults.truncated, "constant": faults.constant, "saturated": faults.saturated,
    "too small": faults.too_small, "same file": lambda cohort: faults.same_file(cohort, 0, 1),
    "same pixels": lambda cohort: faults.same_pixels(cohort, 0, 1), "other kind": other_kind, "leak": leak, "bad cell": bad_cell,
    "contradiction": contradiction, "split": split,
}  # fmt: skip
MORE = {"unit": unit, "child": child, "negative": negative, "turned": turned, "sizes": sizes}
