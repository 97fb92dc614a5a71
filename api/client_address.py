"""The one answer to where a request comes from: throttles and rate limits count by it, the audit log hashes it."""

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network
MOST_HOPS: Final = 20
"""Entries of X-Forwarded-For that are read, from its end; a header of a thousand is nobody's honest route."""


def client_address(request: HTTPConnection, proxies: Sequence[Network]) -> str:
    """The client's address for counting: an IPv4 address, or the /64 network of an IPv6 address.

    `X-Forwarded-For` counts only where the peer is one of `proxies`, and in it the last address that is none. A peer
    without an address (a Unix socket) is given as it is.
    """
    peer = request.client.host if request.client else ""
    found = _parse_address(peer)
    if found is None:
        return peer
    return _counted_form(_origin(found, request.headers.getlist("x-forwarded-for"), proxies))


def _origin(
    peer: IPv4Address | IPv6Address, lines: Iterable[str], proxies: Sequence[Network]
) -> IPv4Address | IPv6Address:
    """The nearest address on the way that isn't a trusted proxy's."""
    # Read from the end: each proxy appends whom it got the request from, and what stands before the first address that
    # no proxy of ours wrote may be invented by the client.
    hops = ",".join(lines).rsplit(",", MOST_HOPS)[-MOST_HOPS:]
    here = peer
    while _is_trusted(here, proxies) and hops:
        before = _parse_address(hops.pop())
        if before is None:
            break
        here = before
    return here


def _is_trusted(address: IPv4Address | IPv6Address, proxies: Sequence[Network]) -> bool:
    return any(address in network for network in proxies)


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]:5`; None for any other text."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    # An IPv4 client over a socket that speaks both is the same client.
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _counted_form(address: IPv4Address | IPv6Address) -> str:
    # One client controls a whole IPv6 network, so single addresses would make a throttle useless.
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
