"""Adyen as the environment configures it."""

import pytest

from providers.adyen import create
from providers.base import load_providers
from settings import Settings

FULL = {"ADYEN_API_KEY": "AQE", "ADYEN_MERCHANT_ACCOUNT": "Shop", "ADYEN_HMAC_KEYS": "ab" * 32}
LIVE = "https://1797a841fbb37ca7-AdyenDemo-checkout-live.adyenpayments.com/checkout"


def test_plugin_is_installed() -> None:
    assert load_providers({})["adyen"].name == "adyen"


@pytest.mark.parametrize(
    ("missing", "webhooks", "gateway"),
    [
        ("", True, True),
        ("ADYEN_API_KEY", True, False),
        ("ADYEN_MERCHANT_ACCOUNT", True, False),
        ("ADYEN_HMAC_KEYS", False, True),
    ],
)
async def test_part_without_its_secret_is_off_and_reported(missing: str, webhooks: bool, gateway: bool) -> None:
    plugin = create({name: "" if name == missing else text for name, text in FULL.items()})
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
        ("http://127.0.0.1:9/adyen", False),
        ("https://checkout-test.adyen.com", False),
        ("https://olive.example.test", False),
        (LIVE, True),
    ],
)
def test_api_address_determines_livemode(base: str, live: bool) -> None:
    assert create(FULL | {"ADYEN_API_BASE": base}).livemode is live


def test_secrets_are_not_shown() -> None:
    plugin = create(FULL | {"ADYEN_API_BASE": LIVE})
    assert "AQE" not in repr(plugin._config)
    assert "abab" not in repr(plugin._config)
    assert not [note for note in plugin.startup_notes() if "AQE" in note or "abab" in note]


def test_compressed_time_is_refused_in_live_mode() -> None:
    Settings(time_scale=60, adyen_api_key="AQE", adyen_api_base="http://127.0.0.1:9/adyen")
    with pytest.raises(ValueError, match="live settings"):
        Settings(time_scale=60, adyen_api_key="AQE", adyen_api_base=LIVE)
