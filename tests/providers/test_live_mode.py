"""Live settings are told alike however they are written, and a live key is never sent over plain http."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import InvalidInput
from providers.base import Provider, load_providers
from providers.live_mode import base_host
from settings import Settings

ADYEN_HOST = "1797a841fbb37ca7-AdyenDemo-checkout-live.adyenpayments.com"
BRAINTREE_HOST = "api.braintreegateway.com"
STRIPE = {"STRIPE_API_KEY": "sk_live_1"}
ADYEN = {"ADYEN_API_KEY": "AQE", "ADYEN_MERCHANT_ACCOUNT": "Shop"}
BRAINTREE = {name: "x" for name in ("BRAINTREE_MERCHANT_ID", "BRAINTREE_PUBLIC_KEY", "BRAINTREE_PRIVATE_KEY")}

LIVE: list[tuple[str, dict[str, str]]] = [
    *(
        ("stripe", {"STRIPE_API_KEY": key})
        for key in ("sk_live_1", "RK_LIVE_1", "Sk_Org_Live_1", " sk_live_1\n", "sk_org_live_1")
    ),
    *(
        ("adyen", ADYEN | {"ADYEN_API_BASE": base})
        for base in (f"https://{ADYEN_HOST.upper()}/checkout", f"HTTPS://{ADYEN_HOST}", f" https://{ADYEN_HOST}./x ")
    ),
    *(
        ("braintree", BRAINTREE | {"BRAINTREE_API_BASE": base})
        for base in (
            f"HTTPS://{BRAINTREE_HOST.upper()}:443",
            f"https://{BRAINTREE_HOST}.",
            "https://braintreegateway.com",
        )
    ),
]
TEST: list[tuple[str, dict[str, str]]] = [
    ("stripe", {"STRIPE_API_KEY": "sk_test_live_1", "STRIPE_API_BASE": "http://127.0.0.1:9"}),
    ("adyen", ADYEN | {"ADYEN_API_BASE": "http://127.0.0.1:9/live"}),
    ("braintree", BRAINTREE | {"BRAINTREE_API_BASE": "https://api.sandbox.braintreegateway.com:443"}),
    ("braintree", BRAINTREE | {"BRAINTREE_API_BASE": "http://notbraintreegateway.com"}),
]
BARE: list[tuple[str, dict[str, str]]] = [
    *(
        ("STRIPE_API_BASE", STRIPE | {"STRIPE_API_BASE": base})
        for base in (
            "http://127.0.0.1:12111",
            "HTTP://api.stripe.com",
            " http://x ",
            "api.stripe.com",
            "ftp://x",
            "//x",
        )
    ),
    *(
        ("ADYEN_API_BASE", ADYEN | {"ADYEN_API_BASE": base})
        for base in (f"http://{ADYEN_HOST}", f"Http://{ADYEN_HOST.upper()}/checkout", ADYEN_HOST, f"{ADYEN_HOST}:80/x")
    ),
    *(
        ("BRAINTREE_API_BASE", BRAINTREE | {"BRAINTREE_API_BASE": base})
        for base in (f"http://{BRAINTREE_HOST}", f"hTTp://{BRAINTREE_HOST.upper()}:443", BRAINTREE_HOST)
    ),
]


def load_provider(name: str, environment: Mapping[str, str]) -> Provider:
    """The installed provider in this environment."""
    return load_providers(environment)[name]


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings in this environment alone."""
    fields: dict[str, Any] = {name.lower(): text for name, text in environment.items()}
    return Settings(_env_file=None, **fields)


@pytest.mark.parametrize(("name", "environment"), LIVE)
def test_live_settings_are_recognised_however_written(name: str, environment: dict[str, str]) -> None:
    assert load_provider(name, environment).livemode
    assert settings_of(environment).live_providers == (name.capitalize(),)


@pytest.mark.parametrize(("name", "environment"), TEST)
def test_other_settings_are_not_live(name: str, environment: dict[str, str]) -> None:
    assert not load_provider(name, environment).livemode
    assert settings_of(environment).live_providers == ()


@pytest.mark.parametrize(("setting", "environment"), BARE)
def test_live_key_is_never_sent_over_plain_http(setting: str, environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match=f"{setting} must begin with https") as refused:
        load_providers(environment)
    assert not [text for name, text in environment.items() if "KEY" in name and len(text) > 1 and text in str(refused)]
    with pytest.raises(InvalidInput, match=setting):
        _ = settings_of(environment).live_providers


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("https://Api.Example.com:443/x", "api.example.com"),
        ("api.example.com./x", "api.example.com"),
        ("//api.example.com", "api.example.com"),
        ("https:/api.example.com/x", "api.example.com"),
        ("localhost:9/x", "localhost"),
        ("https://user:key@api.example.com", "api.example.com"),
        ("", ""),
        ("https://[", ""),
    ],
)
def test_host_of_a_base_address(base: str, host: str) -> None:
    assert base_host(base) == host
