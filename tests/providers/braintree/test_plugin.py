"""Braintree as the environment configures it."""

from urllib.parse import urlsplit

import braintree
import pytest

from providers.base import load_providers
from providers.braintree import create
from settings import Settings

FULL = {"BRAINTREE_MERCHANT_ID": "merchant", "BRAINTREE_PUBLIC_KEY": "public", "BRAINTREE_PRIVATE_KEY": "s3cret"}
LIVE = "https://api.braintreegateway.com:443"


def test_plugin_is_installed() -> None:
    assert load_providers({})["braintree"].name == "braintree"


@pytest.mark.parametrize(
    ("missing", "webhooks", "gateway"),
    [
        ("", True, True),
        ("BRAINTREE_MERCHANT_ID", True, False),
        ("BRAINTREE_PUBLIC_KEY", False, False),
        ("BRAINTREE_PRIVATE_KEY", False, False),
    ],
)
async def test_part_without_its_secret_is_off_and_reported(missing: str, webhooks: bool, gateway: bool) -> None:
    plugin = create({name: " " if name == missing else text for name, text in FULL.items()})
    assert (plugin.create_webhooks() is not None) is webhooks
    created_gateway = plugin.create_gateway()
    assert (created_gateway is not None) is gateway
    assert any(missing in note for note in plugin.startup_notes()) or not missing
    if created_gateway:
        await created_gateway.close()


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
def test_api_address_determines_livemode(base: str, live: bool) -> None:
    assert create(FULL | {"BRAINTREE_API_BASE": base}).livemode is live


def test_secrets_are_not_shown() -> None:
    plugin = create(FULL | {"BRAINTREE_API_BASE": LIVE})
    assert "s3cret" not in repr(plugin._config)
    assert not [note for note in plugin.startup_notes() if "s3cret" in note]


def test_compressed_time_is_refused_in_live_mode() -> None:
    with pytest.raises(ValueError, match="TIME_SCALE"):
        Settings(time_scale=60, braintree_api_base=LIVE, _env_file=None)


def test_the_live_host_is_the_librarys() -> None:
    assert urlsplit(LIVE).hostname == braintree.Environment.Production.server
