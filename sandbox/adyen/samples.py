"""A signed sample webhook without any server: for `pri trigger` and for tests of the receiving side."""

import time

from sandbox.adyen import items, payments
from sandbox.adyen.models import FailedPayment
from sandbox.adyen.reasons import reason_of


def failed_payment(spec: FailedPayment, key: str, now: int | None = None) -> tuple[str, bytes, dict[str, str]]:
    """The merchantReference, and body and headers of a refused recurring payment."""
    payment = payments.of_spec(spec)
    told = items.item(
        payment,
        "AUTHORISATION",
        False,
        int(time.time()) if now is None else now,
        reason=reason_of(spec.decline_code)[1],
        additional=payments.codes(spec.raw, spec.mac),
    )
    body, headers = items.seal(items.body([told], live=spec.live), key, 0)
    return payment["reference"], body, headers
