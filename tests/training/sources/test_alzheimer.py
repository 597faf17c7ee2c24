"""An ADNI-like cohort on disk: what becomes a row, who is left out and why, and that every mistake in a table is named."""

from __future__ import annotations

import csv
import datetime
from itertools import zip_longest
from pathlib import Path

import pytest

from training.sources import CohortError
from training.sources.alzheimer import DISAGREE, NO_AGE, NO_DIAGNOSIS, NO_GENOTYPES, NO_PAIR, NO_SCORES, excluded, panel, read

SUBJECT = "002_S_0295"
TABLES = {
    "PTDEMOG_2024.csv": [{"Phase": "ADNI1", "RID": "295", "VISCODE": "sc", "PTGENDER": "1", "PTEDUCAT": "18"}],
    "DXSUM_PDXCONV_ADNIALL.csv": [
        {"Phase": "ADNI2", "RID": "295", "PTID": SUBJECT, "EXAMDATE": "2011-06-01", "DXCHANGE": "4", "DXCURREN": "", "DIAGNOSIS": ""},
    ],
    "ADSP_PHC_COGN.csv": [
        {"RID": "295", "EXAMDATE": "2011-06-02", "DX": "2", "PHC_MEM": "-0.2", "PHC_EXF": "0.31", "PHC_LAN": "-4", "PHC_VSP": ""},
    ],
    "collection.csv": [
        {"Image Data ID": "I1", "Subject": SUBJECT, "Group": "LMCI", "Sex": "M", "Age": "86.2", "Modality": "MRI", "Description": "MPRAGE",
         "Acq Date": "6/02/2011"},
        {"Image Data ID": "I2", "Subject": SUBJECT, "Group": "LMCI", "Sex": "M", "Age": "86.2", "Modality": "PET",
         "Description": "Coreg, Avg, Standardized Image and Voxel Size", "Acq Date": "6/09/2011"},
    ],
}  # fmt: skip
PANEL = ["build,chromosome,position,reference,alternate", "GRCh37,19,45411941,T,C", "GRCh37,19,45412079,C,T"]


def cohort(folder: Path, changes: dict[str, list[dict[str, str]]] | None = None, *, scans: tuple[str, ...] = ("I1", "I2")) -> Path:
    """A download whose scans are there but empty: this loader opens none.

    Changes are those of each line of a table; beyond its last line they add one like its first.
    """
    for name, records in TABLES.items():
        given = (changes or {}).get(name, [])
        lines = [{**record, **change} for record, change in zip_longest(records, given, fillvalue={})]
        with (folder / name).open("w", newline="") as file:
            table = csv.DictWriter(file, list(records[0]))
            table.writeheader()
            table.writerows({**records[0], **line} for line in lines)
    for image in scans:
        place = folder / "ADNI" / SUBJECT / "a description" / "2011-06-02_07_56_36.0" / image
        place.mkdir(parents=True)
        (place / "scan.nii").touch()
    (folder / "genotypes").mkdir()
    (folder / "genotypes" / f"{SUBJECT}.vcf.gz").touch()
    (folder / "genotypes" / "panel.csv").write_text("\n".join(PANEL) + "\n")
    return folder


def problems(folder: Path, call=read) -> list[str]:
    with pytest.raises(CohortError) as caught:
        call(folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_subject_with_everything_becomes_a_row(tmp_path):
    (row,) = read(cohort(tmp_path))
    assert row.patient == row.group == SUBJECT
    assert row.metadata == {"age_years": 86.2, "sex": "male", "education_years": 18.0, "phc_mem": -0.2, "phc_exf": 0.31}
    assert row.target == {"cn": 0.0, "mci": 1.0, "ad": 0.0}
    assert row.strata == {"sex": "male"}
    assert [row.images[name].parent.name for name in ("mri", "pet")] == ["I1", "I2"]
    assert row.images["genotypes"].name == f"{SUBJECT}.vcf.gz"
    assert not excluded(tmp_path)


@pytest.mark.parametrize(("columns", "step"), [
    ({"DXCHANGE": "", "DXCURREN": "2"}, "mci"), ({"DXCHANGE": "", "DIAGNOSIS": "2.0"}, "mci"), ({"DXCHANGE": "8"}, "mci"),
    ({"DXCHANGE": "2", "DXCURREN": "-4"}, "mci"), ({"DXCHANGE": "5"}, None), ({"DXCHANGE": "7"}, None), ({"DXCHANGE": "9"}, None),
])  # fmt: skip
def test_the_diagnosis_stands_where_its_phase_put_it_and_a_conversion_counts_as_its_end(tmp_path, columns, step):
    cohort(tmp_path, {"DXSUM_PDXCONV_ADNIALL.csv": [columns]})
    assert [row.target[step] for row in read(tmp_path)] == [1.0] if step else excluded(tmp_path) == {DISAGREE: 1}


@pytest.mark.parametrize(("group", "agrees"), [
    ("MCI", True), ("EMCI", True), ("Patient", True), ("", True), ("CN", False), ("SMC", False), ("AD", False),
])  # fmt: skip
def test_what_states_a_diagnosis_has_to_agree(tmp_path, group, agrees):
    cohort(tmp_path, {"collection.csv": [{"Group": group}]})
    assert len(read(tmp_path)) == agrees
    assert excluded(tmp_path) == ({} if agrees else {DISAGREE: 1})


def test_the_nearest_pair_of_scans_and_the_nearest_visit_are_taken(tmp_path):
    later = {"Image Data ID": "I3", "Acq Date": "2012-08-01", "Group": "AD"}
    converted = {"EXAMDATE": "2012-08-01", "DXCHANGE": "5"}
    cohort(tmp_path, {"collection.csv": [{}, {}, later], "DXSUM_PDXCONV_ADNIALL.csv": [{}, converted]}, scans=("I1", "I2", "I3"))
    (row,) = read(tmp_path)
    assert row.images["mri"].parent.name == "I1"
    assert row.target["mci"] == 1


@pytest.mark.parametrize("description", ["AV45 Coreg, Avg", "PIB", "Florbetapir", "Tau AV-1451"])
def test_pet_of_another_tracer_is_passed_over(tmp_path, description):
    cohort(tmp_path, {"collection.csv": [{}, {"Description": description}]})
    assert excluded(tmp_path) == {NO_PAIR: 1}


@pytest.mark.parametrize(("changes", "reason"), [
    ({"collection.csv": [{"Description": "Axial FLAIR"}]}, NO_PAIR),
    ({"collection.csv": [{"Modality": "fMRI"}]}, NO_PAIR),
    ({"collection.csv": [{}, {"Acq Date": "6/09/2013"}]}, NO_PAIR),
    ({"DXSUM_PDXCONV_ADNIALL.csv": [{"EXAMDATE": "2009-01-01"}]}, NO_DIAGNOSIS),
    ({"DXSUM_PDXCONV_ADNIALL.csv": [{"DXCHANGE": "-4"}]}, NO_DIAGNOSIS),
    ({"ADSP_PHC_COGN.csv": [{"EXAMDATE": "2014-01-01"}]}, NO_SCORES),
    ({"ADSP_PHC_COGN.csv": [{"PHC_MEM": "-4"}]}, NO_SCORES),
    ({"collection.csv": [{"Age": ""}]}, NO_AGE), ({"collection.csv": [{"Age": "32"}]}, NO_AGE),
])  # fmt: skip
def test_who_lacks_something_is_left_out_and_counted(tmp_path, changes, reason):
    cohort(tmp_path, changes)
    assert read(tmp_path) == ()
    assert excluded(tmp_path) == {reason: 1}


def test_who_has_no_genotypes_is_left_out_and_other_forms_are_found(tmp_path):
    file = cohort(tmp_path) / "genotypes" / f"{SUBJECT}.vcf.gz"
    file.unlink()
    assert excluded(tmp_path) == {NO_GENOTYPES: 1}
    file.with_name(f"{SUBJECT}.raw").touch()
    assert read(tmp_path)[0].images["genotypes"].suffix == ".raw"


def test_a_series_is_its_folder(tmp_path):
    (place,) = cohort(tmp_path).glob("ADNI/*/*/*/I2")
    (place / "scan.nii").unlink()
    for number in range(3):
        (place / f"{number}.dcm").touch()
    assert read(tmp_path)[0].images["pet"] == place


def test_later_names_of_columns_are_known(tmp_path):
    table = cohort(tmp_path) / "ADSP_PHC_COGN.csv"
    table.write_text(table.read_text().replace("DX", "PHC_Diagnosis"))
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize(("table", "change", "expected"), [
    ("PTDEMOG_2024.csv", {"PTGENDER": "3"}, "PTDEMOG_2024.csv:2: PTGENDER: is none of the codes 1, 2"),
    ("PTDEMOG_2024.csv", {"PTEDUCAT": "99"}, "PTDEMOG_2024.csv:2: PTEDUCAT: is not a number in [0, 30]"),
    ("PTDEMOG_2024.csv", {"RID": ""}, "PTDEMOG_2024.csv:2: RID: is required and empty"),
    ("DXSUM_PDXCONV_ADNIALL.csv", {"EXAMDATE": "June"}, "DXSUM_PDXCONV_ADNIALL.csv:2: EXAMDATE: is no date"),
    ("DXSUM_PDXCONV_ADNIALL.csv", {"DXCHANGE": "10"}, "DXSUM_PDXCONV_ADNIALL.csv:2: DXCHANGE: is none of the codes"),
    ("DXSUM_PDXCONV_ADNIALL.csv", {"PTID": ""}, "DXSUM_PDXCONV_ADNIALL.csv:2: PTID: is required and empty"),
    ("ADSP_PHC_COGN.csv", {"PHC_EXF": "high"}, "ADSP_PHC_COGN.csv:2: PHC_EXF: is not a number in [-5, 5]"),
    ("ADSP_PHC_COGN.csv", {"PHC_EXF": "inf"}, "ADSP_PHC_COGN.csv:2: PHC_EXF: is not a number in [-5, 5]"),
    ("collection.csv", {"Sex": "F"}, "collection.csv:2: Sex: contradicts PTDEMOG"),
    ("collection.csv", {"Sex": "X"}, "collection.csv:2: Sex: is none of the codes"),
    ("collection.csv", {"Image Data ID": "I9"}, "collection.csv:2: Image Data ID: its folder"),
])  # fmt: skip
def test_each_mistake_is_named_by_line_and_column(tmp_path, table, change, expected):
    found = problems(cohort(tmp_path, {table: [change]}))
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_all_problems_of_all_tables_are_listed(tmp_path):
    cohort(tmp_path, {"PTDEMOG_2024.csv": [{"PTGENDER": "3"}], "collection.csv": [{"Age": "x"}, {"Acq Date": ""}]})
    (tmp_path / "ADSP_PHC_COGN.csv").unlink()
    assert [problem.split(": ")[0] for problem in problems(tmp_path)] == [
        "ADSP_PHC_COGN", "PTDEMOG_2024.csv:2", "collection.csv:2", "collection.csv:3",
    ]


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("PTDEMOG_old.csv", "RID\n", "PTDEMOG: stands 2 times"), ("more.csv", "Image Data ID,Subject\n", "the image list: stands 2 times"),
])  # fmt: skip
def test_a_table_that_stands_twice_is_not_guessed(tmp_path, name, text, expected):
    (cohort(tmp_path) / name).write_text(text)
    assert problems(tmp_path) == [expected]


def test_missing_columns_and_cut_tables_are_named(tmp_path):
    table = cohort(tmp_path) / "PTDEMOG_2024.csv"
    table.write_text("RID,PTGENDER\n295,1\n")
    assert problems(tmp_path) == ["PTDEMOG_2024.csv:1: PTEDUCAT: column is missing"]
    table.write_text("RID,PTGENDER,PTEDUCAT\n295,1,18,5\n")
    assert problems(tmp_path) == ["PTDEMOG_2024.csv:2: has more cells than the header has columns"]
    table.write_bytes(b"RID,PTGENDER,PTEDUCAT\n295,\xff,18\n")
    assert problems(tmp_path) == ["PTDEMOG_2024.csv:1: is not comma-separated UTF-8"]


def test_the_panel_is_read_in_its_order_and_named_by_its_variants(tmp_path):
    found = panel(cohort(tmp_path))
    assert [(each.chromosome, each.position, each.reference, each.alternate) for each in found.variants] == [
        ("19", 45411941, "T", "C"), ("19", 45412079, "C", "T"),
    ]  # fmt: skip
    assert found.build == "GRCh37"
    table = tmp_path / "genotypes" / "panel.csv"
    table.write_text("\n".join([PANEL[0], *PANEL[:0:-1]]))
    assert panel(tmp_path).name != found.name


@pytest.mark.parametrize(("line", "expected"), [
    ("GRCh38,19,5,T,C", "build"), ("hg19,19,5,T,C", "build"), ("GRCh37,X,5,T,C", "chromosome"), ("GRCh37,chr1,5,T,C", "chromosome"),
    ("GRCh37,1,0,T,C", "position"), ("GRCh37,1,5.0,T,C", "position"), ("GRCh37,1,5,T,T", "alternate"), ("GRCh37,1,5,T,CA", "alternate"),
    ("GRCh37,19,45411941,T,C", "position"),
])  # fmt: skip
def test_a_place_that_is_none_is_named(tmp_path, line, expected):
    (cohort(tmp_path) / "genotypes" / "panel.csv").write_text("\n".join([*PANEL, line]))
    (problem,) = problems(tmp_path, panel)
    assert problem.startswith(f"genotypes/panel.csv:4: {expected}: ")


def test_a_missing_or_empty_panel_is_named(tmp_path):
    table = cohort(tmp_path) / "genotypes" / "panel.csv"
    table.write_text(PANEL[0] + "\n")
    assert problems(tmp_path, panel) == ["genotypes/panel.csv: has no variants"]
    table.write_text("chromosome,position\n")
    assert len(problems(tmp_path, panel)) == 3
    table.unlink()
    assert problems(tmp_path, panel)[0].startswith("genotypes/panel.csv: is missing")


def test_two_digit_years_are_dates_of_this_century(tmp_path):
    cohort(tmp_path, {"collection.csv": [{"Acq Date": "6/02/11"}]})
    assert len(read(tmp_path)) == 1
    assert datetime.date(2011, 6, 2) < datetime.date.today()  # noqa: DTZ011  the table is older than this test
