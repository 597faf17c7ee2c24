"""Whether the files of TLS are there, fit together, and hold for a while."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from service.gateway.config import Tls
from service.gateway.doctor.finding import Finding, fine, ill
from service.gateway.tls import client_context

EXPIRING_S = 30 * 86400.0


def certificate(whose: str, tls: Tls) -> Iterator[Finding]:
    """Of one side: its certificate, its key, and the authorities of the other."""
    for path in (tls.certificate, tls.key, tls.authorities):
        if not path.is_file():
            yield ill(f"{whose} TLS needs {path}, which is not there.")
            return
    try:
        client_context(tls)
    except (OSError, ssl.SSLError) as error:
        yield ill(f"{whose} TLS files do not fit together: {getattr(error, 'reason', None) or type(error).__name__}.")
        return
    left = _seconds_left(tls.certificate)
    if left < 0:
        yield ill(f"{whose} certificate has expired: renew {tls.certificate}.")
    elif left < EXPIRING_S:
        yield ill(f"{whose} certificate expires in {left / 86400:.0f} days: renew {tls.certificate}.")
    else:
        yield fine(f"{whose} certificate holds for {left / 86400:.0f} more days.")


def _seconds_left(certificate: Path) -> float:
    decoded = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]  # the only reader in the standard library
    return ssl.cert_time_to_seconds(decoded["notAfter"]) - time.time()
