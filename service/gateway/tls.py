"""TLS of an association, with both sides known to each other (PS3.15 B.12: BCP 195, TLS 1.2 and later)."""

from __future__ import annotations

import ssl

from service.gateway.config import Tls


def client_context(tls: Tls) -> ssl.SSLContext:
    """For who calls: shows its certificate, and talks only to the host that the other side's certificate names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(tls.authorities)
    context.load_cert_chain(tls.certificate, tls.key)
    return context
