"""What the environment enables, without showing secrets."""

import csv

import pytest

from providers.base import Gateway, Provider, Webhooks, load_providers
from providers.stripe import create
from providers.stripe.config import StripeConfig

FULL = {
    "STRIPE_API_KEY": "sk_test_secret",
    "STRIPE_API_BASE": "http://127.0.0.1:12111/",
    "STRIPE_WEBHOOK_SECRETS": "whsec_new, ,whsec_old,",
}


async def test_all_settings_enable_both_parts() -> None:
    stripe: Provider = create(FULL)
    hooks: Webhooks | None = stripe.create_webhooks()
    gateway: Gateway | None = stripe.create_gateway()
    assert hooks
    assert gateway
    assert gateway.can_read
    assert (stripe.name, stripe.livemode) == ("stripe", False)
    assert stripe.startup_notes() == ("Stripe is called at 127.0.0.1 (STRIPE_API_BASE).",)
    await gateway.close()


@pytest.mark.parametrize("secrets", ["", " ", ",", " , ,"])
def test_no_settings_disable_both_parts(secrets: str) -> None:
    stripe = create({"STRIPE_WEBHOOK_SECRETS": secrets, "STRIPE_API_KEY": " "})
    assert stripe.create_webhooks() is None
    assert stripe.create_gateway() is None
    assert [note.split(":")[0] for note in stripe.startup_notes()] == [
        "Stripe webhooks are off",
        "Stripe charges are off",
    ]


@pytest.mark.parametrize(
    ("key", "live"),
    [("sk_live_1", True), ("rk_live_1", True), ("sk_test_1", False), ("rk_test_1", False), ("", False)],
)
def test_livemode_is_the_keys(key: str, live: bool) -> None:
    assert create({"STRIPE_API_KEY": key}).livemode is live


def test_secrets_are_a_list_and_never_shown() -> None:
    config = StripeConfig.from_environment(FULL)
    assert config.webhook_secrets == ("whsec_new", "whsec_old")
    assert config.api_base == "http://127.0.0.1:12111"
    assert "secret" not in repr(config).replace("webhook_secrets", "")
    assert "whsec" not in repr(config)


def test_the_decline_table_is_csv() -> None:
    rows = list(csv.DictReader(create({}).decline_codes.splitlines()))
    assert len(rows) > 50
    assert {"insufficient_funds", "lost_card"} <= {row["code"] for row in rows}


def test_it_is_installed_as_a_plug_in() -> None:
    assert load_providers({})["stripe"].name == "stripe"
