"""Single journeys as columns."""

from collections.abc import Iterable, Sequence

import numpy as np

from simulator.cases import NEVER
from simulator.journeys import FINAL, MOST_CHARGES, Journey, Journeys
from simulator.outcomes import CAUSE_INDEX


def packed(journeys: Sequence[Journey]) -> Journeys:
    """The same, a row each."""
    reasons = tuple(dict.fromkeys(one.reason for one in journeys))
    segments = tuple(dict.fromkeys(one.segment for one in journeys))
    won = [next((charge for charge in one.charges if charge.won), None) for one in journeys]
    return Journeys(
        state=_column(FINAL.index(one.state) for one in journeys),
        reason=_column(reasons.index(one.reason) for one in journeys),
        reasons=reasons,
        closed_at=_column(one.closed_at for one in journeys),
        segment=_column(segments.index(one.segment) for one in journeys),
        segments=segments,
        cause=_column(CAUSE_INDEX[one.cause] for one in journeys),
        charges=_column(len(one.charges) for one in journeys),
        charged_at=np.array([_times(one) for one in journeys], dtype=np.int64).reshape(-1, MOST_CHARGES),
        blocked=_column(one.blocked for one in journeys),
        fees=_column(one.fees for one in journeys),
        fees_avoided=_column(one.fees_avoided for one in journeys),
        untried=_column(sum(charge.untried for charge in one.charges) for one in journeys),
        won_untried=np.array([bool(charge and charge.untried) for charge in won], dtype=np.bool_),
    )


def _column(values: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(list(values), dtype=np.int64)


def _times(journey: Journey) -> list[int]:
    times = [charge.at for charge in journey.charges][:MOST_CHARGES]
    return times + [NEVER] * (MOST_CHARGES - len(times))
