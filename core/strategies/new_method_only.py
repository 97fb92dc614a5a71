"""Never charges the same method again on schedule: the next charge is that of the customer's new method."""

from core.strategies.base import Proposal, Situation


class NewMethodOnly:
    """Has no settings. The recovery waits for another payment method until the segment's customer deadline."""

    waits_for_method = True
    shared = True

    def propose(self, _: Situation) -> Proposal | None:
        """Always None."""
        return None
