"""The page needs nothing but itself, says first what must be fixed, and shows nothing of the cohort as HTML."""

import re
from html.parser import HTMLParser

import pytest

from models import SPECS
from tests.training.inspection.faults_bmd import TABLE, bad_cell, leak, one_patient
from training.__main__ import main
from training.inspection import examine
from training.inspection.page import page

HOSTILE = "<script>alert(1)</script>&"


class Tags(HTMLParser):
    """Every tag that opens, every one that is left open, and the text between."""

    EMPTY = frozenset({"meta", "img", "rect", "br"})

    def __init__(self, text):
        super().__init__()
        self.opened, self.open, self.text, self.links = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.opened.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.open += [tag] if tag not in self.EMPTY else []

    def handle_endtag(self, tag):
        assert tag in self.EMPTY or self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def drawn(cohort):
    return Tags(page(examine(cohort.model, cohort.folder, workers=1, progress=False)))


@pytest.mark.parametrize("model", SPECS)
def test_a_page_is_whole_and_asks_for_nothing_else(clean, model):
    tags = drawn(clean(model))
    assert tags.open == []
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in tags.links)
    assert not {"script", "link", "iframe"} & set(tags.opened)
    assert "Nothing was found wrong: ready to train." in tags.text
    assert all(field.name in tags.text for field in SPECS[model].table.fields)
    assert tags.opened.count("img") == 24 * len(SPECS[model].images)


def test_what_must_be_fixed_stands_first_with_its_rows(copied):
    cohort = copied("bmd")
    for plant in (bad_cell, leak, one_patient):
        plant(cohort)
    text = drawn(cohort).text
    assert "3 things must be fixed before training." in text
    assert text.index("must be fixed") < text.index("smoking_status unknown level") < text.index("Labels") < text.index("What was checked")
    assert "cohort.csv:11" in text


def test_patients_are_not_named(copied):
    """Their names stand in the table, and in the headers: on the page only where a file is called so."""
    cohort = copied("bmd")
    one_patient(cohort)
    with cohort.table(TABLE) as records:
        for number, record in enumerate(records):
            record["patient_id"] = f"Somebody {number}"
    text = drawn(cohort).text
    assert "Somebody" not in text
    assert "PHANTOM" not in text


def test_what_comes_from_the_cohort_is_text(copied, tmp_path):
    cohort = copied("bmd")
    with cohort.table(TABLE) as records:
        path = cohort.file(0)
        path.rename(path.with_name(f"{HOSTILE.replace('/', '')}.dcm"))
        records[0] |= {"image": f"images/{HOSTILE.replace('/', '')}.dcm", "sex": "male" if records[0]["sex"] == "female" else "female"}
    folder = cohort.folder.rename(tmp_path / HOSTILE.replace("/", ""))
    text = page(examine("bmd", folder, workers=1, progress=False))
    assert "<script" not in text
    assert Tags(text).text.count("<script>alert(1)<script>&") >= 2  # the folder and the file


def test_the_command_writes_the_page_and_says_whether_anything_must_be_fixed(clean, copied, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    assert main(["inspect", "breast", "--cohort", str(clean("breast").folder), "--out", str(out)]) == 0
    assert "24 rows, 24 patients, 24 images\nNothing was found wrong" in capsys.readouterr().out
    assert out.read_text().startswith("<!doctype html>")
    cohort = copied("bmd")
    bad_cell(cohort)
    assert main(["inspect", "bmd", "--cohort", str(cohort.folder), "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert re.search(r"fix   In 1 line of cohort\.csv: smoking_status .*\n      cohort\.csv:11\n1 thing must be fixed", told)


def test_a_folder_that_is_none_is_told_in_a_line(tmp_path, capsys):
    assert main(["inspect", "chest", "--cohort", str(tmp_path / "nowhere"), "--out", str(tmp_path / "page.html")]) == 1
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("model", SPECS)
def test_an_empty_folder_is_a_finding(tmp_path, model):
    inspection = examine(model, tmp_path, workers=1, progress=False)
    assert inspection.to_fix
    assert {finding.kind for finding in inspection.findings} == {"table"}
    assert "docs/cohorts/" in page(inspection)
