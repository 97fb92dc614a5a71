"""A signed sample webhook without any server: for `pri trigger` and for tests of the receiving side."""

import time

from sandbox.adyen import items, payments
from sandbox.adyen.models import FailedPayment
from sandbox.adyen.reasons import refusal_reason


def sample_adyen_webhook(spec: FailedPayment, key: str, now: int | None = None) -> tuple[str, bytes, dict[str, str]]:
    """The merchantReference, and body and headers of a refused recurring payment."""
    payment = payments.payment_from_spec(spec)
    told = items.build_item(
        payment,
        "AUTHORISATION",
        False,
        int(time.time()) if now is None else now,
        reason=refusal_reason(spec.decline_code)[1],
        additional=payments.refusal_codes(spec.raw, spec.mac),
    )
    body, headers = items.sign_adyen_webhook(items.webhook_body([told], live=spec.live), key, 0)
    return payment["reference"], body, headers
