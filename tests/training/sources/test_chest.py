"""CheXpert's layout: what is read, what each policy makes of it, and that every mistake in a table is named."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from tests.models.decode.real import DATA, needs_data
from training.sources import CohortError
from training.sources.chest import COLUMNS, FINDINGS, read

FRONTAL = "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"
GOOD = {"Path": FRONTAL, "Sex": "Female", "Age": "68", "Frontal/Lateral": "Frontal", "AP/PA": "AP", "Edema": "1.0", "Pneumonia": "-1.0"}
LATERAL = {**GOOD, "Path": FRONTAL.replace("view1_frontal", "view2_lateral"), "Frontal/Lateral": "Lateral", "AP/PA": ""}


def cohort(folder: Path, *records: dict[str, str], columns: tuple[str, ...] = COLUMNS, table: str = "train.csv") -> Path:
    """A cohort whose films are there but empty: this loader opens none."""
    for record in records:
        film = folder / record["Path"].split("/", 1)[-1]
        film.parent.mkdir(parents=True, exist_ok=True)
        film.touch()
    with (folder / table).open("w", newline="") as stream:
        lines = csv.DictWriter(stream, columns, restval="", extrasaction="ignore")
        lines.writeheader()
        lines.writerows(records)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(CohortError) as caught:
        read(folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_good_line_becomes_a_row(tmp_path):
    (row,) = read(cohort(tmp_path, GOOD))
    assert (row.patient, row.group) == ("patient00001", "patient00001")
    assert row.images == {"image": tmp_path / "train/patient00001/study1/view1_frontal.jpg"}
    assert row.metadata == {"age_years": 68.0, "sex": "female"}
    assert row.strata == {"view": "ap", "sex": "female"}
    assert list(row.target) == list(FINDINGS.values())
    assert {name for name, value in row.target.items() if value == 1.0} == {"edema", "pneumonia"}
    assert set(row.target.values()) == {0.0, 1.0}


@pytest.mark.parametrize("written", ["-1.0", "-1", " -1.0 "])
def test_the_policy_decides_what_uncertain_means_however_it_is_written(tmp_path, written):
    folder = cohort(tmp_path, {**GOOD, "Pneumonia": written})
    values = {policy: read(folder, policy=policy)[0].target["pneumonia"] for policy in ("ones", "zeros", "ignore")}
    assert values["ones"] == 1.0
    assert values["zeros"] == 0.0
    assert math.isnan(values["ignore"])


def test_a_blank_is_negative_under_every_policy(tmp_path):
    folder = cohort(tmp_path, GOOD)
    assert [read(folder, policy=policy)[0].target["fracture"] for policy in ("ones", "zeros", "ignore")] == [0.0, 0.0, 0.0]


def test_views_are_chosen_by_the_column(tmp_path):
    folder = cohort(tmp_path, GOOD, LATERAL)
    counts = {views: [row.strata["view"] for row in read(folder, views=views)] for views in ("frontal", "lateral", "all")}
    assert counts == {"frontal": ["ap"], "lateral": ["lateral"], "all": ["ap", "lateral"]}


def test_what_is_unknown_of_a_patient_is_left_out(tmp_path):
    (row,) = read(cohort(tmp_path, {**GOOD, "Age": "0", "Sex": "Unknown", "AP/PA": "LL"}))
    assert row.metadata == {}
    assert row.strata == {"view": "other", "sex": "unknown"}


def test_the_full_release_and_the_validation_table_are_read_too(tmp_path):
    full = {**GOOD, "Path": "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"}
    cohort(tmp_path, GOOD)
    assert [row.patient for row in read(cohort(tmp_path, full, table="valid.csv"))] == ["patient00001", "patient64541"]


def test_a_folder_without_tables_is_named(tmp_path):
    assert problems(tmp_path) == ["train.csv: is missing; docs/cohorts/chest.md describes the layout"]


def test_a_table_without_rows_is_refused(tmp_path):
    assert problems(cohort(tmp_path)) == ["train.csv: has no rows"]


def test_the_header_is_held_to_the_nineteen_columns(tmp_path):
    (tmp_path / "a").mkdir()
    swapped = (*COLUMNS[:5], COLUMNS[6], COLUMNS[5], *COLUMNS[7:])
    assert "another order" in problems(cohort(tmp_path / "a", GOOD, columns=swapped))[0]
    (tmp_path / "b").mkdir()
    found = problems(cohort(tmp_path / "b", GOOD, columns=tuple(name.replace(" ", "_") for name in COLUMNS)))
    assert "train.csv:1: Lung Opacity: column is missing; rename Lung_Opacity" in found


def test_every_mistake_of_every_table_is_listed(tmp_path):
    broken = {"Path": "elsewhere/1.jpg", "Sex": "F", "Age": "old", "Frontal/Lateral": "front", "AP/PA": "up", "Edema": "2"}
    cohort(tmp_path, GOOD, GOOD, broken)
    found = problems(cohort(tmp_path, {**GOOD, "Age": "-3"}, table="valid.csv"))
    assert [text.split(": ")[0] + " " + text.split(": ")[1] for text in found] == [
        "train.csv:3 Path", "train.csv:4 AP/PA", "train.csv:4 Age", "train.csv:4 Edema", "train.csv:4 Frontal/Lateral", "train.csv:4 Path",
        "train.csv:4 Sex", "valid.csv:2 Age", "valid.csv:2 Path",
    ]  # fmt: skip
    assert found[0].endswith("the film already stands in train.csv:2")


def test_a_film_that_is_not_there_is_named(tmp_path):
    folder = cohort(tmp_path, GOOD)
    (folder / "train/patient00001/study1/view1_frontal.jpg").unlink()
    assert problems(folder) == ["train.csv:2: Path: names a file that does not exist below the cohort's folder"]


@pytest.mark.parametrize("path", ["CheXpert-v1.0/../../etc/patient1/study1/a.jpg", "/CheXpert-v1.0/train/patient1/study1/a.jpg"])
def test_a_path_cannot_leave_the_folder(tmp_path, path):
    cohort(tmp_path, GOOD)
    table = tmp_path / "train.csv"
    table.write_text(table.read_text().replace(FRONTAL, path))
    assert "train.csv:2: Path: is not" in problems(tmp_path)[0]


def test_lines_of_another_length_are_named(tmp_path):
    cohort(tmp_path, GOOD)
    with (tmp_path / "train.csv").open("a") as stream:
        stream.write("short,line\n")
    assert problems(tmp_path) == ["train.csv:3: has not 19 cells as the header has"]


def test_messages_never_repeat_what_a_cell_says(tmp_path):
    assert "Doe" not in "".join(problems(cohort(tmp_path, {**GOOD, "Sex": "Doe^Jane", "Age": "Doe"})))


@needs_data
def test_real_films_written_as_chexpert_are_read(tmp_path):
    with (DATA / "chest_xray/nih_labels.csv").open(newline="") as stream:
        films = [line for line in csv.DictReader(stream) if line["rotated90"] == "0"]
    with (tmp_path / "train.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS, restval="")
        table.writeheader()
        for number, line in enumerate(films):
            file = Path(f"train/patient{int(line['patient_id']):05d}/study{number}/view1_frontal.jpg")
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).symlink_to(DATA / line["file"])
            labels = {column: f"{float(line[column]):.1f}" for column in FINDINGS if line[column]}
            known = {"Sex": {"F": "Female", "M": "Male"}[line["sex"]], "Age": line["age"], "AP/PA": line["view"]}
            table.writerow({"Path": f"CheXpert-v1.0-small/{file}", "Frontal/Lateral": "Frontal", **known, **labels})
    rows = read(tmp_path)
    assert len(rows) == len(films)
    assert len({row.group for row in rows}) == len({line["patient_id"] for line in films})
    for column, name in FINDINGS.items():
        assert sum(row.target[name] for row in rows) == sum(float(line[column] or 0) for line in films)
    assert all(row.images["image"].is_file() for row in rows)
