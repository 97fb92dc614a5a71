"""Never charges the same method again by itself: the next charge is the customer's new method."""

from core.strategies.base import Proposal, Situation


class NewMethodOnly:
    """Has no settings. The recovery waits for another payment method as long as the segment lets a customer take."""

    waits_for_method = True
    shared = True

    def propose(self, _: Situation) -> Proposal | None:
        """None, always."""
        return None
