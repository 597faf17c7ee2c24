"""The doctor names each of many things that are wrong with a gateway that was well before, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from service.gateway.config import GatewayConfig
from service.gateway.conformance import DOCUMENTS, FIND, GET, MAP, MOVE, PAGE, VERIFICATION
from service.gateway.doctor import examine
from tests.service.gateway.http_server import Reply, Request, serving
from tests.service.gateway.peers import UNCLOSED, free_port
from tests.service.gateway.web_door import WebDoor

pytestmark = UNCLOSED


CAPABLE = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"interaction": [{"code": "transaction"}]}]}


@contextmanager
def web(state: dict[str, Any]) -> Iterator[int]:
    """The service, and a STOW-RS archive beside it; `state` says what is wrong with them."""

    def answer(request: Request) -> Reply:
        if request.path == "/r4/metadata":
            return Reply(200, json.dumps(state.get("capability", CAPABLE)).encode())
        status = state.get("archive", 200) if request.path.startswith("/dicom-web") else 200
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=state.get("skew", 0)), usegmt=True)
        return Reply(status, json.dumps({"models": state.get("models", {"bmd": "ready"})}).encode(), {"Date": date})

    with serving(answer) as port:
        yield port


@contextmanager
def archive(classes: tuple[str, ...], caller: str = "CHIASM") -> Iterator[int]:
    entity = AE("PACS")
    entity.require_calling_aet = [caller]
    for uid in classes:
        entity.add_supported_context(uid)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def certificate(folder: Path, days: int) -> dict[str, Path]:
    key, made = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=chiasm"]
    subprocess.run([*command, "-keyout", key, "-out", made, "-days", str(days)], check=True, capture_output=True)
    return {"certificate": made, "key": key, "authorities": made}


def sentences(folder: Path, state: dict[str, Any], classes: tuple[str, ...] = (VERIFICATION, *DOCUMENTS, PAGE)) -> list[str]:
    """What the doctor wants changed."""
    with web(state) as http, archive(classes, state.get("caller", "CHIASM")) as port:
        pacs = free_port() if state.get("pacs_down") else port
        told: dict[str, Any] = {
            "spool": folder / "spool",
            "service": f"http://127.0.0.1:{free_port() if state.get('service_down') else http}",
            "receive": {"any_caller": True, "min_free_bytes": 0},
            "routes": [{"name": "hips", "model": "bmd", "destinations": ["pacs", "web"]}],
            "destinations": [
                {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs},
                {"kind": "stow", "name": "web", "url": f"http://127.0.0.1:{http}/dicom-web", "headers": state.get("headers", {})},
            ],
        }
        told["receive"] |= state.get("receive", {})
        told |= state.get("changed", {})
        told |= state["also"](http, port) if "also" in state else {}
        return [finding.sentence for finding in examine(GatewayConfig.model_validate(told)) if not finding.well]


def test_nothing_is_wrong_where_nothing_is(tmp_path):
    assert sentences(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"service_down": True}, "The service does not answer"),
        ({"models": {"chest": "ready"}}, "which the service does not serve"),
        ({"models": {"bmd": "failed"}}, "bmd, which is failed"),
        ({"skew": 3600}, "clock differs by 3"),
        ({"pacs_down": True}, "correct host and port"),
        ({"caller": "SOMEBODY"}, "it rejects CHIASM calling PACS"),
        ({"archive": 401}, "refuses the credentials"),
        ({"archive": 404}, "correct url"),
        ({"headers": {"Authorization": "Bearer ${NO_SUCH_TOKEN}"}}, "no NO_SUCH_TOKEN"),
        ({"receive": {"min_free_bytes": 1 << 60}}, "every study is refused until there is room"),
        ({"receive": {"host": "10.0.0.1"}}, "from anybody, from any machine"),
        ({"changed": {"spool": "/proc/chiasm"}}, "cannot be written"),
        ({"changed": {"sidecars": "/nowhere"}}, "sidecars /nowhere cannot be read"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_else(tmp_path, state, said):
    told = sentences(tmp_path, state)
    assert {said in sentence for sentence in told} == {True}, told


@pytest.mark.parametrize(("left_out", "said"), [((PAGE,), "no Secondary Capture"), (DOCUMENTS, "no structured reports")])
def test_an_archive_that_answers_and_takes_nothing_is_found_out(tmp_path, left_out, said):
    classes = tuple(uid for uid in (VERIFICATION, *DOCUMENTS, PAGE) if uid not in left_out)
    (sentence,) = sentences(tmp_path, {}, classes)
    assert said in sentence


def test_a_certificate_that_ends_soon_is_named(tmp_path):
    (sentence,) = sentences(tmp_path, {"receive": {"tls": certificate(tmp_path, 10)}})
    assert "expires in" in sentence


def test_tls_files_that_are_not_there_or_do_not_fit_are_named(tmp_path):
    tls = certificate(tmp_path, 365)
    (missing,) = sentences(tmp_path, {"receive": {"tls": tls | {"key": tmp_path / "none.pem"}}})
    assert "is not there" in missing
    (tmp_path / "other").mkdir()
    (unfit,) = sentences(tmp_path, {"receive": {"tls": tls | {"key": certificate(tmp_path / "other", 365)["key"]}}})
    assert "do not fit together" in unfit


def test_an_archive_is_asked_about_maps_where_it_gets_some(tmp_path):
    def mapping(_: int, port: int) -> dict[str, Any]:
        pacs = {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": port, "sends": ["report", "map"]}
        return {"destinations": [pacs], "routes": [{"name": "hips", "model": "bmd", "destinations": ["pacs"]}]}

    (sentence,) = sentences(tmp_path, {"also": mapping}, (VERIFICATION, *DOCUMENTS))
    assert sentence == 'pacs takes no Parametric Maps: allow them there, or take "map" out of sends.'
    assert sentences(tmp_path, {"also": mapping}, (VERIFICATION, *DOCUMENTS, MAP)) == []


QUERY = (VERIFICATION, *DOCUMENTS, PAGE, FIND, MOVE, GET)


def everything(http: int, port: int) -> dict[str, Any]:
    """All the parts that a gateway may have beside its door and its destinations."""
    server = {"url": f"http://127.0.0.1:{http}/r4"}
    dicom = {"kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
    stow = {"kind": "stow", "name": "web", "url": f"http://127.0.0.1:{http}/dicom-web"}
    return {
        "web": {"port": 0},
        "destinations": [dicom | {"name": "pacs"}, stow, {"kind": "fhir", "name": "ehr", **server}],
        "fhir": server | {"system": "urn:oid:1.2", "fields": [{"field": "sex", "patient": "gender"}]},
        "peers": [
            dicom | {"name": "mover"}, dicom | {"name": "getter", "retrieve": "get"},
            {"kind": "web", "name": "vna", "url": f"http://127.0.0.1:{http}/dicom-web"},
        ],
    }  # fmt: skip


def test_nothing_is_wrong_where_everything_is_configured(tmp_path):
    assert sentences(tmp_path, {"also": everything}, QUERY) == []


@pytest.mark.parametrize(
    ("state", "left_out", "said"),
    [
        ({"capability": {"resourceType": "Bundle"}}, None, {"ehr answers at", "for metadata answers at"}),
        ({"capability": CAPABLE | {"fhirVersion": "5.0.0"}}, None, {"ehr speaks FHIR 5.0.0", "for metadata speaks FHIR 5.0.0"}),
        ({"capability": CAPABLE | {"rest": []}}, None, {"does not say that it takes transactions"}),
        ({}, FIND, {"mover takes no queries", "getter takes no queries"}),
        ({}, MOVE, {'mover takes no C-MOVE: allow it there, or set retrieve = "get"'}),
        ({}, GET, {"getter takes no C-GET"}),
    ],
)
def test_what_is_wrong_with_servers_and_peers_is_named(tmp_path, state, left_out, said):
    told = sentences(tmp_path, state | {"also": everything}, tuple(uid for uid in QUERY if uid != left_out))
    assert len(told) == len(said)
    assert {part for part in said if any(part in sentence for sentence in told)} == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ledger": f"postgresql+pg8000://chiasm@127.0.0.1:{free_port()}/chiasm"}, "The ledger's database does not answer"),
        ({"web": {"port": 0, "token_env": "NO_SUCH_TOKEN"}}, "the token is empty"),
        ({"web": {"host": "0.0.0.0", "port": 0}}, "The STOW-RS door takes studies from anybody"),  # noqa: S104
        ({"web": {"port": 0}, "receive": {"callers": [{"ae_title": "CT"}], "min_free_bytes": 0}}, "The STOW-RS door knows nobody"),
        ({"peers": [{"kind": "web", "name": "vna", "url": "https://127.0.0.1:1", "authorities": "/nowhere"}]}, "cannot be read"),
    ],
)
def test_what_is_wrong_with_the_new_door_and_the_ledger_is_named(tmp_path, changed, said):
    (sentence,) = sentences(tmp_path, {"changed": changed})
    assert said in sentence


def test_a_port_that_somebody_else_has_is_named_and_our_own_is_not(tmp_path):
    with web({}) as taken:
        (sentence,) = sentences(tmp_path, {"changed": {"web": {"port": taken}}})
    assert "cannot listen" in sentence
    with WebDoor(tmp_path / "door") as door:
        assert sentences(tmp_path, {"changed": {"web": {"port": door.server.port}}}) == []
