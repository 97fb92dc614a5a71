"""Braintree as the environment configures it."""

from urllib.parse import urlsplit

import braintree
import pytest

from providers.base import load_providers
from providers.braintree import create
from settings import Settings

FULL = {"BRAINTREE_MERCHANT_ID": "merchant", "BRAINTREE_PUBLIC_KEY": "public", "BRAINTREE_PRIVATE_KEY": "s3cret"}
LIVE = "https://api.braintreegateway.com:443"


def test_it_is_installed() -> None:
    assert load_providers({})["braintree"].name == "braintree"


@pytest.mark.parametrize(
    ("without", "webhooks", "gateway"),
    [
        ("", True, True),
        ("BRAINTREE_MERCHANT_ID", True, False),
        ("BRAINTREE_PUBLIC_KEY", False, False),
        ("BRAINTREE_PRIVATE_KEY", False, False),
    ],
)
async def test_a_side_without_its_secret_is_off_and_says_so(without: str, webhooks: bool, gateway: bool) -> None:
    made = create({name: " " if name == without else text for name, text in FULL.items()})
    assert (made.create_webhooks() is not None) is webhooks
    found = made.create_gateway()
    assert (found is not None) is gateway
    assert any(without in note for note in made.startup_notes()) or not without
    if found:
        await found.close()


@pytest.mark.parametrize(
    ("base", "live"),
    [
        ("", False),
        ("http://127.0.0.1:9/braintree", False),
        ("https://api.sandbox.braintreegateway.com:443", False),
        ("https://api.braintreegateway.com.example.test", False),
        (LIVE, True),
        ("https://api.braintreegateway.com/", True),
    ],
)
def test_its_address_says_whether_money_is_real(base: str, live: bool) -> None:
    assert create(FULL | {"BRAINTREE_API_BASE": base}).livemode is live


def test_no_secret_shows() -> None:
    made = create(FULL | {"BRAINTREE_API_BASE": LIVE})
    assert "s3cret" not in repr(made._config)
    assert not [note for note in made.startup_notes() if "s3cret" in note]


def test_compressed_time_and_real_money_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="TIME_SCALE"):
        Settings(time_scale=60, braintree_api_base=LIVE, _env_file=None)


def test_the_live_host_is_the_librarys() -> None:
    assert urlsplit(LIVE).hostname == braintree.Environment.Production.server
