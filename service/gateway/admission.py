"""Who may send: titles that this gateway answers to, and callers by title, address and certificate."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from service.gateway.config import Caller, GatewayConfigError, Receive
from service.gateway.tls import NO_CERTIFICATE, Certificate

Refusal = Literal["called_unknown", "caller_unknown", "address_unknown", "certificate_unknown"]
UNNAMED = "STOW-RS"  # who sends over HTTP, where nothing says by which title
# Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 9.3.4): permanent, by the service user, which title is not recognised.
REJECTIONS: dict[Refusal, tuple[int, int, int]] = {
    "called_unknown": (1, 1, 7), "caller_unknown": (1, 1, 3), "address_unknown": (1, 1, 3), "certificate_unknown": (1, 1, 3),
}  # fmt: skip


class Admission:
    """Looks at who asks; an address may be a whole network, such as ``10.1.2.0/24``.

    Over DIMSE a caller says a title, and address and certificate have to be those of its entry. Over HTTP nobody says a title: the entry
    is found by its address or certificate.
    """

    def __init__(self, config: Receive) -> None:
        self._called = frozenset(config.ae_titles)
        self._anybody = config.any_caller
        self._callers = [(caller, _network(caller)) for caller in config.callers]

    def refuses(self, called: str, calling: str, address: str, certificate: Certificate = NO_CERTIFICATE) -> Refusal | None:
        """Why an association is rejected; None where it may begin."""
        if called not in self._called:
            return "called_unknown"
        if self._anybody:
            return None
        entries = [each for each in self._callers if each[0].ae_title == calling]
        if not entries:
            return "caller_unknown"
        near = [caller for caller, network in entries if network is None or _lies_in(address, network)]
        if not near:
            return "address_unknown"
        return None if any(certificate.fits(caller.certificate) for caller in near) else "certificate_unknown"

    def caller(self, address: str, certificate: Certificate, *, trusted: bool) -> str | None:
        """The title that a request over HTTP stands for; None where nobody is known by that address or certificate.

        An entry with neither says nothing over HTTP: it counts where the request is `trusted`, by a token.
        """
        for caller, network in self._callers:
            known = network is not None or caller.certificate or trusted
            if known and (network is None or _lies_in(address, network)) and certificate.fits(caller.certificate):
                return caller.ae_title
        return UNNAMED if self._anybody else None


def _network(caller: Caller) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(caller.address, strict=False) if caller.address else None
    except ValueError:
        raise GatewayConfigError(f"receive.callers: {caller.ae_title}: the address is no IP address or network") from None


def _lies_in(address: str, network: IPv4Network | IPv6Network) -> bool:
    """An IPv4 address may come in the shape of IPv6 where one socket listens for both (RFC 4291 2.5.5.2)."""
    found = ip_address(address.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found) in network
