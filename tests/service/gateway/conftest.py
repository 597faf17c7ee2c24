"""Certificates for both sides of TLS."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.service.gateway.door import HERE, needs


@pytest.fixture(scope="session")
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
