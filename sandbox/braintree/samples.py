"""A signed sample webhook without any server: for `pri trigger` and for tests of the receiving side."""

import time

from sandbox.braintree import books, notices, shapes
from sandbox.braintree.models import FailedPayment


def sample_braintree_webhook(
    spec: FailedPayment, secret: str, now: int | None = None
) -> tuple[str, bytes, dict[str, str]]:
    """The invoice, and body and headers of its webhook; `secret` is `PUBLIC_KEY|PRIVATE_KEY`."""
    at = int(time.time()) if now is None else now
    made = books.build_failed_transaction(spec, at)
    one = made["transaction"]
    if "subscription" in made:
        kind, subject = "subscription_charged_unsuccessfully", shapes.subscription_tree(made["subscription"], [one])
        xml = notices.notification_xml(kind, at, {"subscription": subject})
    else:
        xml = notices.notification_xml("transaction_retried", at, {"transaction": shapes.webhook_transaction_tree(one)})
    body, headers = notices.sign_braintree_webhook(xml, secret, 0)
    return one["invoice"], body, headers
