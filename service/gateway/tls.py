"""TLS of an association, with both sides known to each other (PS3.15 B.12: BCP 195, TLS 1.2 and later).

Both contexts raise OSError, of which ssl.SSLError is one, where a file is missing or does not fit.
"""

from __future__ import annotations

import ssl

from service.gateway.config import Tls


def client_context(tls: Tls) -> ssl.SSLContext:
    """For who calls: shows its certificate, and talks only to the host that the other side's certificate names."""
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls)


def server_context(tls: Tls) -> ssl.SSLContext:
    """For who is called: whoever shows no certificate that an authority signed gets no further than the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _loaded(context, tls)


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(tls.authorities)
    context.load_cert_chain(tls.certificate, tls.key)
    return context
