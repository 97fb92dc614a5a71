"""Single journeys as columns."""

from collections.abc import Iterable, Sequence

import numpy as np

from simulator.cases import NEVER
from simulator.journeys import FINAL_STATES, MAX_CHARGES, RecoveryResult, RecoveryResults
from simulator.outcomes import CAUSE_INDEX


def pack_results(journeys: Sequence[RecoveryResult]) -> RecoveryResults:
    """The same, a row each."""
    reasons = tuple(dict.fromkeys(one.reason for one in journeys))
    segments = tuple(dict.fromkeys(one.segment for one in journeys))
    won = [next((charge for charge in one.charges if charge.won), None) for one in journeys]
    return RecoveryResults(
        state=_integer_column(FINAL_STATES.index(one.state) for one in journeys),
        reason=_integer_column(reasons.index(one.reason) for one in journeys),
        reasons=reasons,
        closed_at=_integer_column(one.closed_at for one in journeys),
        segment=_integer_column(segments.index(one.segment) for one in journeys),
        segments=segments,
        cause=_integer_column(CAUSE_INDEX[one.cause] for one in journeys),
        charges=_integer_column(len(one.charges) for one in journeys),
        charged_at=np.array([_charge_times(one) for one in journeys], dtype=np.int64).reshape(-1, MAX_CHARGES),
        blocked=_integer_column(one.blocked for one in journeys),
        fees=_integer_column(one.fees for one in journeys),
        fees_avoided=_integer_column(one.fees_avoided for one in journeys),
        untried=_integer_column(sum(charge.untried for charge in one.charges) for one in journeys),
        won_untried=np.array([bool(charge and charge.untried) for charge in won], dtype=np.bool_),
    )


def _integer_column(values: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(list(values), dtype=np.int64)


def _charge_times(journey: RecoveryResult) -> list[int]:
    times = [charge.at for charge in journey.charges][:MAX_CHARGES]
    return times + [NEVER] * (MAX_CHARGES - len(times))
