"""Bounds on what anybody can send who finds the port, and TLS."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from service.gateway.config import GatewayConfigError, Tls
from service.gateway.tls import client_context
from service.gateway.upper_layer import InFlight, Kept, Server, hang_up, receive_exactly
from tests.service.gateway.door import (
    DX,
    EXPLICIT,
    HERE,
    Door,
    association,
    echoscu,
    encoded,
    small,
    store,
    store_dataset,
    storescu,
    wait_until,
)
from tests.service.gateway.web_door import RELATED, WebDoor, related
from tests.service.studies import hip_dicom


@contextmanager
def raw(door: Door) -> Iterator[socket.socket]:
    with socket.create_connection((HERE, door.port), timeout=10) as connection:
        yield connection


def ended(connection: socket.socket) -> bool:
    """Whether the other side aborts or closes."""
    try:
        answer = connection.recv(10)
    except ConnectionError:
        return True
    return answer in {b""} or answer[0] == 7


@pytest.mark.parametrize("sent", [
    struct.pack(">BBL", 1, 0, 0xFFFFFFFF), struct.pack(">BBL", 4, 0, (1 << 20) + 1), b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01" + b"\0" * 64, struct.pack(">BBL", 1, 0, 68) + b"\xff" * 68, struct.pack(">BBL", 4, 0, 4) + b"\0\0\0\0",
], ids=["long request", "long data", "HTTP", "TLS", "no titles", "data first"])  # fmt: skip
def test_what_is_no_dicom_ends_its_own_connection_only(sent: bytes, tmp_path: Path) -> None:
    with Door(tmp_path) as door, association(door) as other:
        with raw(door) as connection:
            connection.sendall(sent)
            assert ended(connection)
        assert store_dataset(other, small()) == 0


def test_a_connection_that_was_reset_leaves_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_connected(*_: object) -> None:
        raise OSError(errno.ENOTCONN, "the other side has reset it")

    with Door(tmp_path) as door, raw(door):
        server = door.receiver._server
        assert server is not None
        wait_until(lambda: server.active_associations)
        (association,) = server.active_associations
        connection = association.dul.socket.socket
        monkeypatch.setattr(socket.socket, "shutdown", not_connected)
        hang_up(association)
        assert connection.fileno() == -1


@pytest.mark.parametrize("fragments", [
    (b"\x03" + b"no command" * 9,), (b"\x03",), (b"",), (b"\x01" + bytes(60_000), b"\x03" + bytes(10_000)),
    (b"\x03" + struct.pack("<HHIH", 0, 0x0100, 2, 1),), (b"\x00" + bytes(100), b"\x02" + bytes(100)),
], ids=["text", "empty command", "no header", "long command", "half a command", "data without a command"])  # fmt: skip
def test_what_is_no_message_ends_its_own_association_only(fragments: tuple[bytes, ...], tmp_path: Path) -> None:
    with Door(tmp_path) as door, association(door) as other:
        with association(door) as sender:
            for fragment in fragments:
                value = struct.pack(">IB", len(fragment) + 1, 1) + fragment
                sender.dul.socket.socket.sendall(struct.pack(">BBL", 4, 0, len(value)) + value)
            wait_until(lambda: not sender.is_established)
        wait_until(lambda: door.receiver.tally().associations.get("aborted") == 1)
        assert store_dataset(other, small()) == 0


@pytest.mark.parametrize("threads_begin_after_s", [0.0, 0.2], ids=["at rest", "under load"])
def test_connections_that_say_nothing_are_few(threads_begin_after_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Server.finish_request

    def finish_request(server: Server, *connection: object) -> None:
        time.sleep(threads_begin_after_s)
        begin(server, *connection)

    monkeypatch.setattr(Server, "finish_request", finish_request)
    with Door(tmp_path, max_associations=2) as door, ExitStack() as opened:
        silent = [opened.enter_context(raw(door)) for _ in range(6)]
        assert [ended(connection) for connection in silent[4:]] == [True, True]


def test_who_sends_byte_by_byte_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"12345")
        assert receive_exactly(ours, 5, within_s=10) == b"12345"
        theirs.sendall(b"1")
        with pytest.raises(TimeoutError):
            receive_exactly(ours, 5, within_s=0)
        theirs.shutdown(socket.SHUT_WR)
        assert receive_exactly(ours, 5, within_s=10) == b""


def test_of_a_message_no_more_is_kept_than_is_allowed() -> None:
    in_flight = InFlight(100)
    kept = Kept(10, in_flight)
    assert [kept.write(b"12345"), kept.write(b"67890"), kept.overflowed] == [5, 5, False]
    assert kept.getvalue() == b"1234567890"
    assert [kept.write(b"1"), kept.write(b"2"), kept.overflowed] == [1, 1, True]
    assert kept.getvalue() == b""
    assert in_flight.take(100), "what was dropped takes no room"


def test_all_messages_together_take_no_more_memory_than_is_allowed(tmp_path: Path) -> None:
    dataset = small(PixelData=bytes(20_000))
    with Door(tmp_path, max_bytes_in_flight=30_000) as door, association(door) as first, association(door) as second:
        data = encoded(dataset, EXPLICIT)
        fragments = list(unfinished(first, data[:15_000]))
        assert store(second, data, dataset.SOPInstanceUID) == 0xA700
        assert fragments
        first.abort()
        wait_until(lambda: store(second, data, dataset.SOPInstanceUID) == 0)
        assert [store(second, data, dataset.SOPInstanceUID) for _ in range(3)] == [0, 0, 0], "what was answered takes no room"


def unfinished(sender: Association, data: bytes) -> Iterator[P_DATA]:
    """The beginning of a message, whose end is not sent."""
    message = C_STORE()
    message.MessageID, message.Priority, message.DataSet = 1, 2, BytesIO(data)
    message.AffectedSOPClassUID, message.AffectedSOPInstanceUID = DX, "1.2.3"
    whole = C_STORE_RQ()
    whole.primitive_to_message(message)
    fragments = list(whole.encode_msg(sender.accepted_contexts[0].context_id, 4096))
    for fragment in fragments[:-1]:
        sender.dul.send_pdu(fragment)
        yield fragment
    time.sleep(0.3)


def test_a_private_storage_class_is_taken_where_it_is_configured(tmp_path: Path) -> None:
    private = "1.3.12.2.1107.5.9.1"
    dataset = small(SOPClassUID=private)
    with Door(tmp_path / "a", storage_classes=(private,)) as door, association(door, (private, EXPLICIT)) as sender:
        assert store_dataset(sender, dataset) == 0
        assert [each.sop_class for each in door.received(dataset.StudyInstanceUID)] == [private]
    with Door(tmp_path / "b") as door, association(door, (private, EXPLICIT)) as sender:
        assert sender.accepted_contexts == []


@pytest.mark.parametrize(("wanted", "status"), [("the fingerprint", 200), ("CN=Modality", 200), ("CN=another", 403), ("sha256:00", 403)])
def test_a_title_is_tied_to_a_certificate_at_both_doors(wanted: str, status: int, certificates: Path, tmp_path: Path) -> None:
    if wanted == "the fingerprint":
        command = ["openssl", "x509", "-in", certificates / "modality.pem", "-noout", "-fingerprint", "-sha256"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True)
        wanted = f"SHA256:{shown.stdout.strip().split('=')[1]}"
    known = {"any_caller": False, "callers": ({"ae_title": "MODALITY", "certificate": wanted},)}
    ours, theirs = tls(certificates, "gateway"), client_context(tls(certificates, "modality"))
    with WebDoor(tmp_path, {"tls": ours}, tls=ours, **known) as door:
        with association(door, tls_args=(theirs, HERE)) as sender:
            assert sender.is_established == (status == 200)
        with httpx.Client(verify=theirs, headers={"Content-Type": RELATED}) as client:
            url = f"https://{HERE}:{door.server.port}/dicom-web/studies"
            response = client.post(url, content=related(hip_dicom(Rows=8, Columns=8, PixelData=bytes(128))))
        assert response.status_code == status
    assert door.receiver.tally().associations == ({"accepted": 1, "released": 1} if status == 200 else {"certificate_unknown": 1})


def tls(folder: Path, side: str) -> Tls:
    return Tls(certificate=folder / f"{side}.pem", key=folder / f"{side}.key", authorities=folder / "authority.pem")


def test_storescu_sends_over_tls(certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "sent.dcm").write_bytes(hip_dicom())
    ours = ("+tls", certificates / "modality.key", certificates / "modality.pem", "+cf", certificates / "authority.pem")
    with Door(tmp_path, tls=tls(certificates, "gateway")) as door:
        answered = storescu(door, *ours, tmp_path / "sent.dcm")
        assert answered.returncode == 0, answered.stderr
        assert len(door.files()) == 1


def test_our_own_side_of_tls_calls_too(certificates: Path, tmp_path: Path) -> None:
    context = client_context(tls(certificates, "modality"))
    with Door(tmp_path, tls=tls(certificates, "gateway")) as door, association(door, tls_args=(context, HERE)) as sender:
        assert store_dataset(sender, small()) == 0


def test_without_a_certificate_that_is_known_nobody_gets_in(certificates: Path, tmp_path: Path) -> None:
    authority = ("+cf", str(certificates / "authority.pem"))
    stranger = ("+tls", str(certificates / "stranger.key"), str(certificates / "stranger.pem"))
    with Door(tmp_path, tls=tls(certificates, "gateway")) as door:
        for arguments in (("+tla", *authority), (*stranger, *authority), ()):
            assert echoscu(door, "CHIASM", "MODALITY", *arguments).returncode != 0
        assert door.receiver.tally().associations == {}


def test_a_handshake_that_never_ends_holds_up_nobody(certificates: Path, tmp_path: Path) -> None:
    context = client_context(tls(certificates, "modality"))
    with Door(tmp_path, tls=tls(certificates, "gateway")) as door, raw(door), association(door, tls_args=(context, HERE)) as sender:
        assert store_dataset(sender, small()) == 0


def test_a_certificate_that_is_missing_is_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(GatewayConfigError, match=r"receive\.tls"):
        Door(tmp_path, tls=tls(tmp_path, "gateway"))
