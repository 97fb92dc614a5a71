"""Where a request comes from: X-Forwarded-For counts from configured proxies only, so no client invents an address."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from pydantic import ValidationError
from starlette.requests import Request

from api.client_address import MOST_HOPS, client_address
from tests.api.harness import keyless_settings

PROXIES = ("10.0.0.5", "192.168.7.0/24", "2001:db8:9::/48")


def address_of(peer: str | None, forwarded: str | Sequence[str] = (), proxies: Sequence[str] = PROXIES) -> str:
    """The address of a request from this peer with these X-Forwarded-For lines."""
    lines = [forwarded] if isinstance(forwarded, str) else forwarded
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]
    client = (peer, 1) if peer is not None else None
    request = Request({"type": "http", "client": client, "headers": headers})
    return client_address(request, [ip_network(one) for one in proxies])


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("a-socket", "a-socket"),
        (None, ""),
    ],
)
def test_address_of_a_peer(peer: str | None, address: str) -> None:
    assert address_of(peer) == address


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.6", "203.0.113.9"])
def test_header_of_anybody_else_is_not_believed(peer: str) -> None:
    told = address_of(peer, "198.51.100.1")
    assert told == address_of(peer)
    assert told != "198.51.100.1"


def test_by_default_nobody_is_believed() -> None:
    assert keyless_settings().trusted_proxies == ()
    assert address_of("127.0.0.1", "198.51.100.1", ()) == "127.0.0.1"


@pytest.mark.parametrize(
    "forwarded",
    [
        "198.51.100.1",
        "6.6.6.6, 198.51.100.1",
        "198.51.100.1, 192.168.7.3",
        "6.6.6.6,198.51.100.1 ,  192.168.7.3,10.0.0.5",
        ["6.6.6.6", "198.51.100.1", "192.168.7.3"],
        ["6.6.6.6, 198.51.100.1", "192.168.7.3"],
        "198.51.100.1:4711",
        '"198.51.100.1:4711"',
        "::ffff:198.51.100.1",
        "10.0.0.5, 198.51.100.1",
    ],
)
def test_last_address_that_is_no_proxy_counts(forwarded: str | list[str]) -> None:
    assert address_of("10.0.0.5", forwarded) == "198.51.100.1"
    assert address_of("::ffff:10.0.0.5", forwarded) == "198.51.100.1"


@pytest.mark.parametrize("forwarded", ["2001:db8:1:2::7", "[2001:db8:1:2::7]:443", "[2001:db8:1:2::7]"])
def test_forwarded_ipv6_client_is_its_network(forwarded: str) -> None:
    assert address_of("2001:db8:9::1", forwarded) == "2001:db8:1:2::/64"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("", "10.0.0.5"),
        (",", "10.0.0.5"),
        ("unknown", "10.0.0.5"),
        ("198.51.100.1, unknown", "10.0.0.5"),
        ("198.51.100.1, x, 192.168.7.3", "192.168.7.3"),
        ("192.168.7.4, 192.168.7.3", "192.168.7.4"),
        ("\xff\xfe", "10.0.0.5"),
        ("1.2.3.4.5", "10.0.0.5"),
    ],
)
def test_unreadable_entry_ends_the_way(forwarded: str, address: str) -> None:
    assert address_of("10.0.0.5", forwarded) == address


def test_very_long_header_is_read_from_its_end_only() -> None:
    assert address_of("10.0.0.5", "6.6.6.6," * 5000 + "198.51.100.1") == "198.51.100.1"
    assert address_of("10.0.0.5", "6.6.6.6," + "192.168.7.3," * MOST_HOPS + "192.168.7.4") == "192.168.7.3"


def test_proxies_are_a_list_of_addresses_and_networks() -> None:
    settings = keyless_settings(trusted_proxies=" 10.0.0.5, 192.168.7.0/24 ,2001:db8:9::/48,")
    assert settings.trusted_proxies == tuple(ip_network(one) for one in PROXIES)


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.300", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.1,*"])
def test_other_proxies_are_refused_at_start(text: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        keyless_settings(trusted_proxies=text)
