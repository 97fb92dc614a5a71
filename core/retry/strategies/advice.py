"""Does what the network or the provider asks for, and climbs a ladder where nobody asks for anything."""

from collections.abc import Sequence

from core.retry.strategies.base import Proposal, Situation
from core.retry.strategies.fixed_ladder import FixedLadder


class AdviceDriven:
    """`delays` (or `preset`) and `jitter_percent` of a ladder for failures that come without an asked wait."""

    shared = True

    def __init__(self, delays: Sequence[str] | None = None, jitter_percent: int = 0, preset: str | None = None) -> None:
        self._ladder = FixedLadder(delays=delays, jitter_percent=jitter_percent, preset=preset)

    def propose(self, situation: Situation) -> Proposal | None:
        """The asked wait to the second, without jitter, as often as it is asked; else the rung of this retry."""
        asked = situation.asked_wait_seconds
        if asked is None or asked <= 0:
            return self._ladder.propose(situation)
        why = f"asked to wait {asked} s by the network or the provider"
        return Proposal(delay_seconds=asked, why=why, steady_seconds=asked, late_ends=True)
