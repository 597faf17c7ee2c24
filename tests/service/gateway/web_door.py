"""A door for STOW-RS that runs, beside the one for DIMSE, and bodies to send to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from service.api.protocol import BoundedProtocol
from service.gateway.config import GatewayConfig
from service.gateway.stow_door import StowDoor
from service.gateway.web_server import WebServer, token_of
from tests.service.gateway.door import HERE, Door

ROUTE = {"name": "hips", "model": "bmd", "destinations": ["pacs"]}
PACS = {"kind": "dicom", "name": "pacs", "ae_title": "PACS", "host": HERE, "port": 104}
DICOM = b"Content-Type: application/dicom\r\n"
RELATED = 'multipart/related; type="application/dicom"; boundary=b'


class WebDoor(Door):
    """Both doors, with one spool and one ledger; `web` is the table of the one for STOW-RS."""

    def __init__(self, folder: Path, web: dict[str, Any] | None = None, **changed: Any) -> None:
        super().__init__(folder, **changed)
        told = {"spool": folder, "receive": self.receive, "web": {"port": 0} | (web or {}), "routes": [ROUTE], "destinations": [PACS]}
        self.config = GatewayConfig.model_validate(told)
        assert self.config.web is not None
        self.stow = StowDoor(self.config, self.config.web, self.intake, token_of(self.config.web))
        self.server = WebServer(self.config.web, self.stow, BoundedProtocol)

    def __enter__(self) -> WebDoor:
        super().__enter__()
        self.server.start()
        return self

    def __exit__(self, *arguments: object) -> None:
        self.server.stop()
        super().__exit__(*arguments)

    def post(self, body: Any, path: str = "/dicom-web/studies", **headers: str) -> httpx.Response:
        """Send a body; headers by their names with underscores."""
        sent = {"Content-Type": RELATED, "Accept": "application/dicom+json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(f"http://{HERE}:{self.server.port}{path}", content=body, headers=sent, timeout=20)


def related(*parts: bytes, header: bytes = DICOM, boundary: bytes = b"b") -> bytes:
    """A multipart body."""
    return b"".join(b"--" + boundary + b"\r\n" + header + b"\r\n" + each + b"\r\n" for each in parts) + b"--" + boundary + b"--\r\n"


def answered(response: httpx.Response, tag: str) -> list[tuple[str | None, int | None]]:
    """SOP Instance UID and Failure Reason of each item of a sequence."""
    items = response.json().get(tag, {}).get("Value", [])
    first = lambda item, name: item.get(name, {}).get("Value", [None])[0]  # noqa: E731
    return [(first(item, "00081155"), first(item, "00081197")) for item in items]
