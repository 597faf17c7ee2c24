"""Who results are delivered to: storescp, Orthanc, and fakes that misbehave in ways that those cannot be made to."""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from tests.service.gateway.http_server import Reply, Request, served, serving

# pynetdicom leaves a socket that could not connect to the garbage collector (transport.py, _shutdown_socket), which closes it at once
UNCLOSED = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
PROFILE = """
[[TransferSyntaxes]]
[Known]
{syntaxes}
[[PresentationContexts]]
[Known]
{contexts}
[[Profiles]]
[Default]
PresentationContexts = Known
"""
DICOM_WEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def profile(folder: Path, classes: list[str], syntaxes: list[str]) -> list[str]:
    """Arguments of a storescp that knows only these."""
    path = folder / "storescp.cfg"
    lines = [f"TransferSyntax{number} = {each}" for number, each in enumerate(syntaxes, 1)]
    known = [f"PresentationContext{number} = {each}\\Known" for number, each in enumerate(classes, 1)]
    path.write_text(PROFILE.format(syntaxes="\n".join(lines), contexts="\n".join(known)))
    return ["-xf", str(path), "Default"]


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A server, from when it listens."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not _listens(port):
            assert process.poll() is None, f"{command[0]} ended"
            assert time.monotonic() < until, f"{command[0]} does not listen"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def storescp(folder: Path, *arguments: str, port: int = 0) -> Iterator[int]:
    """dcmtk's archive; what it takes lies in `folder`."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    with running(["storescp", *arguments, "-aet", "PACS", "-od", str(folder), str(port)], port):
        yield port


def stored(folder: Path) -> list[Dataset]:
    return [dcmread(path) for path in sorted(folder.iterdir())]


@contextmanager
def orthanc(folder: Path, servers: dict[str, str] | None = None, **settings: Any) -> Iterator[tuple[int, int]]:
    """An archive with DICOMweb, and the servers that it sends to: its ports for DICOM and for HTTP."""
    if not DICOM_WEB.exists():
        pytest.skip("Orthanc's DICOMweb plug-in is not installed")
    dicom, http = free_port(), free_port()
    told = {
        "StorageDirectory": str(folder), "IndexDirectory": str(folder), "Plugins": [str(DICOM_WEB)], "HttpPort": http, "DicomPort": dicom,
        "DicomAet": "PACS", "AuthenticationEnabled": False, "RemoteAccessAllowed": False,
        "DicomWeb": {"Enable": True, "Servers": {name: [url] for name, url in (servers or {}).items()}}, **settings,
    }  # fmt: skip
    path = folder / "orthanc.json"
    path.write_text(json.dumps(told))
    with running(["Orthanc", str(path)], http):
        until = time.monotonic() + 30
        while httpx.get(f"http://127.0.0.1:{http}/system").status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        yield dicom, http


@contextmanager
def scp(handle: Callable[[evt.Event], int], sop_class: str, released: Callable[[], None] = int) -> Iterator[int]:
    """An archive whose answer to a C-STORE is what `handle` returns."""
    entity = AE("PACS")
    entity.add_supported_context(sop_class)
    handlers = [(evt.EVT_C_STORE, handle), (evt.EVT_RELEASED, lambda _: released())]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


@contextmanager
def raw(reply: bytes | None) -> Iterator[int]:
    """Who answers every association request with these bytes, or with nothing at all."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            if reply is not None:
                self.request.sendall(reply)
            while self.request.recv(65536):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        yield from served(server)


@dataclass
class Web:
    """An HTTP server that gives the next of its answers, the last one for ever, and keeps what it was sent."""

    answers: list[tuple[int, dict[str, str], bytes]]
    requests: list[tuple[str, Any, bytes]] = field(default_factory=list)
    port: int = 0


@contextmanager
def website(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[Web]:
    web = Web(list(answers))

    def answer(request: Request) -> Reply:
        web.requests.append((request.target, request.headers, request.body))
        status, headers, content = web.answers.pop(0) if len(web.answers) > 1 else web.answers[0]
        return Reply(status, content, headers)

    with serving(answer) as web.port:
        yield web
