"""What the gateway says of itself is what it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models import SPECS
from service.__main__ import main
from service.gateway.config import GatewayConfig
from service.gateway.conformance import MAP, facts, read_classes, storage_classes
from service.gateway.upper_layer import supported_contexts
from tests.contract.conftest import ROOT
from tests.service.gateway.test_doctor import everything

PRIVATE = "1.3.12.2.1107.5.9.1"


def told(folder: Path, **changed: Any) -> dict[str, Any]:
    base = {"spool": folder, "receive": {"any_caller": True}, "routes": [{"name": "hips", "model": "bmd", "destinations": ["pacs"]}]}
    return facts(GatewayConfig.model_validate(base | everything(1, 104) | changed))


def roles(said: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["service"], each["role"]) for each in (*said["dimse"], *said["dicomweb"])}


def test_it_lists_exactly_what_the_door_offers(tmp_path: Path) -> None:
    said = told(tmp_path, receive={"any_caller": True, "storage_classes": [PRIVATE]})
    (storage,) = [each for each in said["dimse"] if (each["service"], each["role"]) == ("Storage", "SCP")]
    contexts = [context for context in supported_contexts((PRIVATE,)) if str(context.abstract_syntax) != "1.2.840.10008.1.1"]
    assert {each["uid"] for each in storage["sop_classes"]} == {str(context.abstract_syntax) for context in contexts}
    assert PRIVATE in {each["uid"] for each in storage["sop_classes"]}
    assert {each["uid"] for each in storage["transfer_syntaxes"]} == {str(uid) for uid in contexts[0].transfer_syntax}


def test_every_role_that_is_configured_is_told_and_no_other(tmp_path: Path) -> None:
    everywhere = {("Verification", "SCP"), ("Storage", "SCP"), ("Storage", "SCU")}
    queries = {*((f"Query/Retrieve - {way}", "SCU") for way in ("FIND", "MOVE", "GET")), ("Storage over C-GET", "SCP")}
    web = {("STOW-RS", "origin server"), ("STOW-RS", "user agent"), ("QIDO-RS", "user agent"), ("WADO-RS", "user agent")}
    assert roles(told(tmp_path)) == everywhere | queries | web
    assert len(told(tmp_path)["fhir"]) == 2
    pacs = {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
    plain = told(tmp_path, web=None, fhir=None, peers=[], destinations=[pacs])
    assert (roles(plain), plain["fhir"]) == (everywhere, [])


@pytest.mark.parametrize("sends", [["report", "page"], ["report", "map"]])
def test_maps_are_proposed_only_where_a_destination_gets_them(tmp_path: Path, sends: list[str]) -> None:
    pacs = {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104, "sends": sends}
    (storage,) = [each for each in told(tmp_path, destinations=[pacs])["dimse"] if (each["service"], each["role"]) == ("Storage", "SCU")]
    assert (MAP in {each["uid"] for each in storage["sop_classes"]}) == ("map" in sends)


def test_what_models_read_fits_into_one_association() -> None:
    assert {uid for spec in SPECS.values() for part in spec.images for uid in part.sop_classes} == set(read_classes())
    assert len(read_classes()) < 127
    assert set(read_classes()) <= set(storage_classes())


def test_a_person_can_print_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "conformance", str(ROOT / "deploy" / "gateway" / "gateway.toml")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["application_entities"] == ["CHIASM", "CHIASM_STAT"]
    assert {"uid": "1.2.840.10008.5.1.4.1.1.88.34", "name": "Comprehensive 3D SR Storage"} in said["dimse"][2]["sop_classes"]
