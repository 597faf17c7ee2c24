"""TLS of an association, with both sides known to each other (PS3.15 B.12: BCP 195, TLS 1.2 and later).

Both contexts raise OSError, of which ssl.SSLError is one, where a file is missing or does not fit.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import Any, Self

from service.gateway.config import GatewayConfigError, Tls, WebSide
from service.gateway.errors import TransientError


@dataclass(frozen=True)
class Certificate:
    """Of the other side, as the handshake has verified it: its fingerprint and its subject; both empty without TLS."""

    fingerprint: str = ""
    subject: str = ""

    @classmethod
    def shown_on(cls, connection: Any) -> Self:  # noqa: ANN401  ssl.SSLSocket or ssl.SSLObject; anything else has shown none
        """What was shown on a connection."""
        shown = getattr(connection, "getpeercert", None)
        if shown is None or not (whole := shown(binary_form=True)):
            return cls()
        names = [f"{SHORT.get(name, name)}={value}" for part in shown()["subject"] for name, value in part]
        return cls(hashlib.sha256(whole).hexdigest(), ",".join(names))

    def fits(self, wanted: str) -> bool:
        """Whether it is the one that an entry of the configuration names: any where it names none."""
        if wanted.lower().startswith(SHA256):
            return self.fingerprint == wanted[len(SHA256) :].replace(":", "").lower()
        return not wanted or self.subject.upper() == wanted.replace(", ", ",").upper()


NO_CERTIFICATE = Certificate()
SHA256 = "sha256:"
SHORT = {  # RFC 4514 section 3
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C", "localityName": "L",
    "stateOrProvinceName": "ST",
}  # fmt: skip


def client_context(tls: Tls) -> ssl.SSLContext:
    """For who calls: shows its certificate, and talks only to the host that the other side's certificate names."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls)


def server_context(tls: Tls) -> ssl.SSLContext:
    """For who is called: whoever shows no certificate that an authority signed gets no further than the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _loaded(context, tls)


def web_context(side: WebSide) -> ssl.SSLContext | bool:
    """For who asks over HTTPS: the authorities of the configuration, or those of the system, and a certificate where we have one.

    Raises TransientError where a file is missing or does not fit: it may be about to be renewed.
    """
    if side.authorities is None and side.certificate is None:
        return True
    try:
        context = ssl.create_default_context(cafile=side.authorities)
        if side.certificate is not None:
            context.load_cert_chain(side.certificate, side.key)
    except OSError:  # ssl.SSLError is one
        raise TransientError("the certificate, key or authorities of the other side cannot be read") from None
    return context


def secured(tls: Tls | None, where: str) -> ssl.SSLContext | None:
    """For a door, where its configuration has TLS. Raises GatewayConfigError, which says `where`, for files that do not do."""
    try:
        return server_context(tls) if tls else None
    except OSError as error:
        raise GatewayConfigError(f"{where}: {error.strerror or type(error).__name__}: a file is missing or does not fit") from None


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(tls.authorities)
    context.load_cert_chain(tls.certificate, tls.key)
    return context
