"""Every provider's table: complete, sourced, and used for what its own calls and webhooks say."""

import csv
from io import StringIO

import pytest

import catalog
from core.classification.classify import classify
from core.classification.tables import DeclineTables
from core.classification.taxonomy import Cause
from core.payments import Failure, Outcome
from providers.base import Gateway
from tests.providers.contract.subject import ProviderControl, Subject, WebhookKind, order_for_failed
from tests.providers.contract.subjects import SUBJECTS

CODES = [(subject, cause) for subject in SUBJECTS for cause in subject.causes]


def provider_tables(subject: Subject) -> DeclineTables:
    return catalog.load_decline_tables({subject.name: subject.provider().decline_codes})


@pytest.mark.parametrize(("subject", "cause"), CODES, ids=[f"{subject.name}-{cause}" for subject, cause in CODES])
def test_a_code_is_classified_by_the_providers_own_table(subject: Subject, cause: Cause) -> None:
    classification = classify(Failure(code=subject.causes[cause]), provider_tables(subject), provider=subject.name)
    assert classification.cause is cause
    assert classification.source


def test_all_common_causes_have_a_code(subject: Subject) -> None:
    common = {Cause.INSUFFICIENT_FUNDS, Cause.GENERIC, Cause.TECHNICAL, Cause.CARD_DATA, Cause.PERMANENT, Cause.FRAUD}
    assert common | {Cause.VELOCITY} <= set(subject.causes)


def test_each_row_has_a_source_of_its_own(subject: Subject) -> None:
    rows = list(csv.DictReader(StringIO(subject.provider().decline_codes)))
    assert len(rows) > 20
    assert not [row for row in rows if len(row["source"]) < 5]


def test_an_unknown_code_is_for_review(subject: Subject) -> None:
    classification = classify(Failure(code="never_heard_of"), provider_tables(subject), provider=subject.name)
    assert classification.cause is Cause.UNKNOWN


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.CARD_DATA, Cause.PERMANENT, Cause.FRAUD])
async def test_the_answer_to_a_charge_is_classified_alike(
    subject: Subject, books: ProviderControl, gateway: Gateway, cause: Cause
) -> None:
    failed = await books.fail_payment(f"decline:{subject.causes[cause]}")
    result = await gateway.charge(order_for_failed(subject, failed))
    assert result.outcome is Outcome.DECLINED
    assert classify(result.failure, provider_tables(subject), provider=subject.name).cause is cause


@pytest.mark.parametrize(("subject", "cause"), CODES, ids=[f"{subject.name}-{cause}" for subject, cause in CODES])
def test_failure_in_a_webhook_is_classified_alike(subject: Subject, cause: Cause) -> None:
    """For providers whose webhooks carry the failure; for others the payment is read."""
    webhooks = subject.provider().create_webhooks()
    assert webhooks
    (event,) = webhooks.normalise(subject.signed_webhook(WebhookKind.FAILED, "inv_1", cause=cause).body)
    gateway = subject.gateway("http://127.0.0.1:9", 1)
    assert event.failure or gateway.can_read
    if event.failure:
        assert classify(event.failure, provider_tables(subject), provider=subject.name).cause is cause
