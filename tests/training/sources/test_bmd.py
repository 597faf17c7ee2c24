"""The hip cohort on disk: what is read, and that every mistake in a table is named."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from training.sources import CohortError, Row
from training.sources.bmd import COLUMNS, read

GOOD = {
    "patient_id": "hip-1", "image": "images/hip-1.png", "femoral_neck_bmd_g_cm2": "0.812", "bmd_scale": "GE-Lunar",
    "age_at_xray_years": "74.3", "height_cm": "162.5", "weight_kg": "68", "sex": "female", "laterality": "left",
}


def cohort(folder: Path, *records: dict[str, str], columns: tuple[str, ...] = (*COLUMNS, "group")) -> Path:
    """A cohort whose images are there but empty: this loader opens none."""
    (folder / "images").mkdir()
    (folder / GOOD["image"]).touch()
    with (folder / "cohort.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, columns, restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(records)
    return folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(CohortError) as caught:
        read(folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_good_line_becomes_a_row_with_only_the_fields_that_are_known(tmp_path):
    (row,) = read(cohort(tmp_path, GOOD))
    assert row == Row(
        patient="hip-1",
        images={"image": tmp_path / "images/hip-1.png"},
        metadata={"age_at_xray_years": 74.3, "height_cm": 162.5, "weight_kg": 68.0, "sex": "female", "laterality": "left"},
        target={"femoral_neck_bmd": 0.812},
        strata={"sex": "female", "laterality": "left"},
        group="hip-1",
    )


def test_a_group_keeps_its_patients_together(tmp_path):
    rows = read(cohort(tmp_path, {**GOOD, "group": "site-a"}, {**GOOD, "patient_id": "hip-2", "group": "site-a"}))
    assert [row.group for row in rows] == ["site-a", "site-a"]


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path):
    folder = cohort(tmp_path, GOOD)
    table = folder / "cohort.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b",left", b", left "))
    assert read(folder)[0].metadata["laterality"] == "left"


def test_a_folder_without_a_table_is_named(tmp_path):
    assert problems(tmp_path) == ["cohort.csv: is missing; docs/cohorts/bmd.md describes the layout"]


def test_a_table_without_rows_is_refused(tmp_path):
    assert problems(cohort(tmp_path)) == ["cohort.csv: has no rows"]


def test_an_empty_table_misses_its_columns(tmp_path):
    (tmp_path / "cohort.csv").touch()
    assert "cohort.csv:1: sex: column is missing" in problems(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    without = tuple(name for name in COLUMNS if name not in ("bmd_scale", "sex"))
    assert problems(cohort(tmp_path, GOOD, columns=without)) == [
        "cohort.csv:1: bmd_scale: column is missing", "cohort.csv:1: sex: column is missing",
    ]


def test_an_unknown_column_is_refused_rather_than_lost(tmp_path):
    (problem,) = problems(cohort(tmp_path, GOOD, columns=(*COLUMNS, "wieght_kg")))
    assert problem.startswith("cohort.csv:1: wieght_kg: unknown column")


def test_a_column_that_stands_twice_is_refused(tmp_path):
    (problem, *_) = problems(cohort(tmp_path, GOOD, columns=(*COLUMNS, "bmi")))
    assert problem == "cohort.csv:1: bmi: column stands twice"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"image": "images/none.dcm"}, "cohort.csv:2: image: names a file that does not exist"),
        ({"patient_id": ""}, "cohort.csv:2: patient_id: is required and empty"),
        ({"femoral_neck_bmd_g_cm2": ""}, "cohort.csv:2: femoral_neck_bmd_g_cm2: is required and empty"),
        ({"femoral_neck_bmd_g_cm2": "0,812"}, "cohort.csv:2: femoral_neck_bmd_g_cm2: is not a number"),
        ({"femoral_neck_bmd_g_cm2": "812"}, "cohort.csv:2: femoral_neck_bmd_g_cm2: lies outside [0.2, 2]"),
        ({"age_at_xray_years": "nan"}, "cohort.csv:2: age_at_xray_years: is not a number"),
        ({"age_at_xray_years": "17"}, "cohort.csv:2: age_at_xray_years: lies outside [18, 110]"),
        ({"height_cm": "1.625"}, "cohort.csv:2: height_cm: lies outside [120, 220]"),
        ({"bmi": "31"}, "cohort.csv:2: bmi: differs by more than 0.5 from weight_kg / (height_cm / 100)^2"),
        ({"sex": "F"}, "cohort.csv:2: sex: unknown level; the levels are female, male"),
        ({"smoking_status": "yes"}, "cohort.csv:2: smoking_status: unknown level; the levels are never, ex, current"),
        ({"laterality": "both"}, "cohort.csv:2: laterality: unknown level; the levels are left, right"),
        ({"bmd_scale": "Norland"}, "cohort.csv:2: bmd_scale: unknown scale; only GE-Lunar is read"),
    ],
)
def test_each_mistake_is_named_by_line_and_column(tmp_path, change, expected):
    (problem,) = problems(cohort(tmp_path, {**GOOD, **change}))
    assert problem.startswith(expected)


def test_hologic_values_are_refused_with_the_conversion_and_never_converted(tmp_path):
    (problem,) = problems(cohort(tmp_path, {**GOOD, "bmd_scale": "Hologic"}))
    assert "Lunar = (1.087 * Hologic + 0.042) / 0.939" in problem


def test_a_patient_who_stands_twice_is_named_with_both_lines(tmp_path):
    (problem,) = problems(cohort(tmp_path, GOOD, GOOD))
    assert problem.startswith("cohort.csv:3: patient_id: the patient already stands in line 2")


def test_a_line_with_too_many_cells_is_refused(tmp_path):
    folder = cohort(tmp_path, GOOD)
    with (folder / "cohort.csv").open("a") as stream:
        stream.write(",".join(["x"] * 40) + "\n")
    assert "cohort.csv:3: has more cells than the header has columns" in problems(folder)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "cohort.csv").write_bytes(b"patient_id,image\n\xff\xfe,x\n")
    (problem,) = problems(tmp_path)
    assert problem.endswith("is not comma-separated UTF-8")


def test_all_problems_are_told_at_once_and_none_shows_a_value(tmp_path):
    bad = {**GOOD, "femoral_neck_bmd_g_cm2": "77.5", "sex": "martian", "age_at_xray_years": "old"}
    found = problems(cohort(tmp_path, bad, {**bad, "patient_id": "hip-2"}))
    assert len(found) == 6
    assert not any(value in text for value in ("77.5", "martian", "old", "hip-2") for text in found)
