"""Bounds on what anybody can send who finds the port, and TLS."""

from __future__ import annotations

import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.gateway.config import GatewayConfigError, Tls
from service.gateway.tls import client_context
from service.gateway.upper_layer import Kept, receive_exactly
from tests.service.gateway.door import HERE, Door, association, echoscu, needs, small, store_dataset, storescu, wait_until
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


def test_connections_that_say_nothing_are_few(tmp_path: Path) -> None:
    with Door(tmp_path, max_associations=2) as door:
        silent = [socket.create_connection((HERE, door.port), timeout=10) for _ in range(6)]
        time.sleep(0.3)
        assert [ended(connection) for connection in silent[4:]] == [True, True]
        for connection in silent:
            connection.close()


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
    kept = Kept(10)
    assert [kept.write(b"12345"), kept.write(b"67890"), kept.overflowed] == [5, 5, False]
    assert kept.getvalue() == b"1234567890"
    assert [kept.write(b"1"), kept.write(b"2"), kept.overflowed] == [1, 1, True]
    assert kept.getvalue() == b""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate for each side that it has signed; and one of a stranger."""
    needs("openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    for authority in ("authority", "stranger"):
        openssl("req", "-x509", *key, "-subj", f"/CN={authority}", "-keyout", f"{authority}.key", "-out", f"{authority}.pem")
    for side in ("gateway", "modality"):
        signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-addext", f"subjectAltName=IP:{HERE}")
        openssl("req", "-x509", *key, "-subj", f"/CN={side}", *signed, "-keyout", f"{side}.key", "-out", f"{side}.pem")
    return folder


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
