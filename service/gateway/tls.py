"""TLS on both sides of an association: each side shows a certificate and checks the other's (PS3.15 B.9 and B.12, BCP 195)."""

from __future__ import annotations

import ssl

from service.gateway.config import GatewayConfigError, Tls


def server_context(tls: Tls) -> ssl.SSLContext:
    """For the side that is called: whoever calls without a certificate that an authority signed is refused in the handshake.

    Raises GatewayConfigError where a file is missing or does not fit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _loaded(context, tls)


def client_context(tls: Tls) -> ssl.SSLContext:
    """For the side that calls: it talks only to the host that the other side's certificate names.

    Raises GatewayConfigError where a file is missing or does not fit.
    """
    return _loaded(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls)


def _loaded(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.authorities)
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(path.name for path in (tls.certificate, tls.key, tls.authorities))
        raise GatewayConfigError(f"tls: {files}: {error.strerror or type(error).__name__}") from None
    return context
