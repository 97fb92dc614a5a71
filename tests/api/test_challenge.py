"""`GET /webhooks/{provider}`: a provider asks whether an address is ours before it sends anything to it."""

import hashlib
import hmac
import json
from typing import Any

import braintree
import pytest

from sandbox.braintree.models import FailedPayment
from sandbox.braintree.webhooks import sample_braintree_webhook
from tests.api.harness import BRAINTREE, ApiHarness, failed_event
from tests.intake.fakes import unique_id

CHALLENGE = "20f9f8ed05f77439fe955c977e4c8a53"
KEYS = (BRAINTREE["BRAINTREE_PUBLIC_KEY"], BRAINTREE["BRAINTREE_PRIVATE_KEY"])


@pytest.mark.parametrize("challenge", [CHALLENGE, CHALLENGE[:20]])
async def test_braintrees_challenge_is_answered_as_its_own_client_answers_it(
    harness: ApiHarness, challenge: str
) -> None:
    answer = await harness.client.get("/webhooks/braintree", params={"bt_challenge": challenge})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    client = braintree.BraintreeGateway(braintree.Configuration(braintree.Environment.Sandbox, "merchant", *KEYS))
    assert answer.text == client.webhook_notification.verify(challenge)
    secret = hashlib.sha1(KEYS[1].encode()).digest()  # as it is documented: two ways to the same text
    assert answer.text == f"{KEYS[0]}|{hmac.new(secret, challenge.encode(), hashlib.sha1).hexdigest()}"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"bt_challenge": ""},
        {"bt_challenge": "no hex"},
        {"bt_challenge": CHALLENGE[:19]},
        {"bt_challenge": CHALLENGE + "0"},
        {"bt_challenge": CHALLENGE + "\n"},
        {"bt_challenge": CHALLENGE.upper()},
        {"bt_challenge": "bm90aWZpY2F0aW9uIQ=="},
    ],
    ids=str,
)
async def test_invalid_challenges_are_not_signed(harness: ApiHarness, query: dict[str, str]) -> None:
    answer = await harness.client.get("/webhooks/braintree", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_challenge")
    assert KEYS[0] not in answer.text


@pytest.mark.parametrize("provider", ["off", "nobody"])
async def test_unconfigured_provider_answers_no_challenge(harness: ApiHarness, provider: str) -> None:
    answer = await harness.client.get(f"/webhooks/{provider}", params={"bt_challenge": CHALLENGE})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("provider", ["stripe", "adyen"])
async def test_providers_without_a_challenge_answer_405(harness: ApiHarness, provider: str) -> None:
    answer = await harness.client.get(f"/webhooks/{provider}", params={"bt_challenge": CHALLENGE})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_webhooks_are_posted_as_before(harness: ApiHarness) -> None:
    invoice = f"{unique_id('sub')}-2026-11-01"
    _, body, headers = sample_braintree_webhook(FailedPayment(invoice_id=invoice), "|".join(KEYS))
    answer = await harness.client.post("/webhooks/braintree", content=body, headers=headers)
    assert (answer.status_code, answer.json()["recovery_id"]) == (202, f"recovery-braintree-{invoice}")
    stripes: dict[str, Any] = failed_event(unique_id("in"))
    assert (await harness.post_webhook(json.dumps(stripes).encode())).status_code == 202


async def test_a_signed_challenge_is_no_webhook(harness: ApiHarness) -> None:
    """Both are signed with one key: a signature obtained by GET must not allow a POST."""
    signed_challenge = (await harness.client.get("/webhooks/braintree", params={"bt_challenge": CHALLENGE})).text
    form = {"bt_signature": signed_challenge, "bt_payload": CHALLENGE}
    answer = await harness.client.post("/webhooks/braintree", data=form)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_webhook")
