"""One file says everything: what is wrong in it is named, and the example is sound."""

from __future__ import annotations

import re

import pytest

from service.__main__ import main
from service.gateway.config import GatewayConfig, GatewayConfigError
from tests.contract.conftest import ROOT
from tests.service.studies import CANARY, hip_dicom

EXAMPLE = ROOT / "deploy" / "gateway" / "gateway.toml"


def changed(tmp_path, old, new):
    text = EXAMPLE.read_text()
    assert old in text
    path = tmp_path / "gateway.toml"
    path.write_text(text.replace(old, new))
    return path


def test_the_example_is_sound_and_the_page_explains_each_kind_of_destination():
    assert main(["gateway", "check", str(EXAMPLE)]) == 0
    assert GatewayConfig.load(EXAMPLE).receive.ae_titles == ("CHIASM", "CHIASM_STAT")
    page = (ROOT / "docs" / "gateway.md").read_text()
    assert {"dicom", "fhir", "stow", "webhook"} <= set(re.findall(r"^\| `(\w+)` ", page, re.MULTILINE))


def test_what_the_example_leaves_out_is_sound_too(tmp_path):
    """Each table that is commented out, uncommented."""
    path = tmp_path / "gateway.toml"
    path.write_text(re.sub(r"^# (?=\[|\w+ = )", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    config = GatewayConfig.load(path)
    assert all((config.web, config.fhir, config.joins, config.peers))
    assert {destination.kind for destination in config.destinations} == {"dicom", "fhir"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('spool = "/var/lib/chiasm"', 'spol = "/var/lib/chiasm"', "spol"),
        ('model = "chest"', 'model = "torso"', "no model is named torso"),
        ('destinations = ["archive"]', 'destinations = ["pacs"]', "no destination is named pacs"),
        ('name = "urgent-hips"', 'name = "hips"', "one name"),
        ('callers = [{ ae_title = "ORTHANC", address = "172.16.0.0/12" }]', "", "any_caller"),
        ('ae_title = "ORTHANC"\nhost', 'ae_title = "A TITLE THAT IS TOO LONG"\nhost', "ae_title"),
        ("port = 4242", "port = 424242", "port"),
        ("[receive]", "[receive", "gateway.toml"),
        ('kind = "dicom"', 'kind = "fax"', "kind"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, capsys, old, new, said):
    path = changed(tmp_path, old, new)
    with pytest.raises(GatewayConfigError):
        GatewayConfig.load(path)
    assert main(["gateway", "check", str(path)]) != 0
    assert said in capsys.readouterr().err


def test_a_dry_run_says_where_a_file_would_go_and_why_not_elsewhere(tmp_path, capsys):
    path = tmp_path / "x.dcm"
    path.write_bytes(hip_dicom())
    assert main(["gateway", "route", str(EXAMPLE), str(path), "--calling", "ORTHANC"]) == 0
    told = capsys.readouterr().out
    assert "hips: yes: to bmd, results to archive, routine" in told
    assert "urgent-hips: no: it was sent to CHIASM, not to CHIASM_STAT" in told
    assert "chests: no: BodyPartExamined is not CHEST" in told
    assert CANARY not in told


def test_a_spool_that_no_gateway_has_used_has_no_status(tmp_path, capsys):
    path = changed(tmp_path, "/var/lib/chiasm", str(tmp_path))
    assert main(["gateway", "status", str(path)]) != 0
    assert "never run" in capsys.readouterr().err
