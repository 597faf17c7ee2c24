"""Who may send: titles that this gateway answers to, and callers by title and address."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from service.gateway.config import Caller, GatewayConfigError, Receive

Refusal = Literal["called_unknown", "caller_unknown", "address_unknown"]
# Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 9.3.4): permanent, by the service user, which title is not recognised.
REJECTIONS: dict[Refusal, tuple[int, int, int]] = {"called_unknown": (1, 1, 7), "caller_unknown": (1, 1, 3), "address_unknown": (1, 1, 3)}


class Admission:
    """Looks at an association request; an address may be a whole network, such as ``10.1.2.0/24``."""

    def __init__(self, config: Receive) -> None:
        self._called = frozenset(config.ae_titles)
        self._anybody = config.any_caller
        self._callers: dict[str, list[IPv4Network | IPv6Network | None]] = {}
        for caller in config.callers:
            self._callers.setdefault(caller.ae_title, []).append(_network(caller))

    def refuses(self, called: str, calling: str, address: str) -> Refusal | None:
        """Why an association is rejected; None where it may begin."""
        if called not in self._called:
            return "called_unknown"
        if self._anybody:
            return None
        if calling not in self._callers:
            return "caller_unknown"
        networks = self._callers[calling]
        return None if any(network is None or _lies_in(address, network) for network in networks) else "address_unknown"


def _network(caller: Caller) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(caller.address, strict=False) if caller.address else None
    except ValueError:
        raise GatewayConfigError(f"receive.callers: {caller.ae_title}: the address is no IP address or network") from None


def _lies_in(address: str, network: IPv4Network | IPv6Network) -> bool:
    """An IPv4 address may come in the shape of IPv6 where one socket listens for both (RFC 4291 2.5.5.2)."""
    found = ip_address(address.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found) in network
