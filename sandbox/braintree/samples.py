"""A signed sample webhook without any server: for `pri trigger` and for tests of the receiving side."""

import time

from sandbox.braintree import books, notices, shapes
from sandbox.braintree.models import FailedPayment


def failed_payment(spec: FailedPayment, secret: str, now: int | None = None) -> tuple[str, bytes, dict[str, str]]:
    """The invoice, and body and headers of its webhook; `secret` is `PUBLIC_KEY|PRIVATE_KEY`."""
    at = int(time.time()) if now is None else now
    made = books.failed_payment(spec, at)
    one = made["transaction"]
    if "subscription" in made:
        kind, subject = "subscription_charged_unsuccessfully", shapes.subscription(made["subscription"], [one])
        xml = notices.notification(kind, at, {"subscription": subject})
    else:
        xml = notices.notification("transaction_retried", at, {"transaction": shapes.told(one)})
    body, headers = notices.seal(xml, secret, 0)
    return one["invoice"], body, headers
