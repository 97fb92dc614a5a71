"""`python -m tests.faults.rounds.aged_keys`: the ordinary worker, to which a day of a key's life is some seconds.

At the provider keys live for a day, and the service repeats for 23 hours: no round is so long. Here the gateway forgets
after GATEWAY_SECONDS and the worker repeats for HONOURED; nothing else of the worker differs. In between lies more than
a call takes, as the hour between the real ones does.
"""

import sys
from datetime import timedelta
from typing import Any, Final

import worker
from providers.stripe import gateway, reconciliation

AGED_WORKER: Final = (sys.executable, "-m", "tests.faults.rounds.aged_keys")
HONOURED: Final = timedelta(seconds=3)
"""In the place of 23 hours."""
GATEWAY_SECONDS: Final = 25
"""In the place of 24 hours, at the gateway."""
NO_TRACE_AFTER: Final = timedelta(seconds=45)
"""In the place of 24 hours. Longer than the sandbox works on a request."""


def age_keys() -> None:
    """Gateways made from now on repeat an order for HONOURED only."""
    assert timedelta(days=1) == reconciliation.NO_TRACE_AFTER, "what is shortened here is used elsewhere now"
    build = gateway.StripeGateway.__init__

    def build_aged(self: gateway.StripeGateway, *arguments: Any, **options: Any) -> None:
        build(self, *arguments, **options)
        assert self.idempotency == timedelta(hours=23)
        self.idempotency = HONOURED

    gateway.StripeGateway.__init__ = build_aged  # type: ignore[method-assign]
    reconciliation.NO_TRACE_AFTER = NO_TRACE_AFTER  # type: ignore[misc]


if __name__ == "__main__":
    age_keys()
    worker.main()
