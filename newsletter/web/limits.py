"""From where a request comes, as limits count it. Proxies were looked through before (``web.trusted_proxies``)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.requests import Request

NETWORK_BITS: Final = 64  # of IPv6: what one customer has, at least (RFC 6177)
NOWHERE: Final = "unknown"  # a proxy that says no address: all of its visitors share one limit


def network(request: Request) -> str:
    """The client's IPv4 address, or its IPv6 /64: who has one address of it has all."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return NOWHERE
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, NETWORK_BITS), strict=False))
