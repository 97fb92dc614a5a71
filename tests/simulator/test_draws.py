"""Random draws by shares, against a plain lookup of each draw."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.model.categorical import CategoricalDistribution, DurationDistribution

SHARES = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1)), min_size=1, max_size=40)
RANDOM_DRAWS = st.one_of(st.just(0.0), st.just(float(np.nextafter(1.0, 0))), st.floats(0, 1, exclude_max=True))


def draw_plainly(shares: list[float], random_draw: float) -> int:
    summed = np.cumsum(shares) / np.cumsum(shares)[-1]
    return next(number for number, end in enumerate(summed) if random_draw < end)


@given(shares=SHARES, draws=st.lists(RANDOM_DRAWS, min_size=1, max_size=20))
def test_a_draw_falls_on_the_first_sum_above_it(shares: list[float], draws: list[float]) -> None:
    assume(any(shares))
    ends = [end for end in np.cumsum(shares) / np.cumsum(shares)[-1] if end < 1]
    values = [*draws, *ends, *(float(np.nextafter(end, 0)) for end in ends if end)]
    assert CategoricalDistribution(shares)(np.array(values)).tolist() == [
        draw_plainly(shares, value) for value in values
    ]


@given(shares=SHARES, draws=st.lists(RANDOM_DRAWS, min_size=1, max_size=20))
def test_values_without_a_share_are_never_drawn(shares: list[float], draws: list[float]) -> None:
    assume(any(shares))
    indexes = CategoricalDistribution(shares)(np.array([*draws, 1.0]))
    assert all(shares[number] > 0 for number in indexes.tolist())


def test_time_passes_evenly_within_a_span() -> None:
    spans = DurationDistribution([100, 500], [0.25, 0.75])
    assert spans(np.array([0.0, 0.125, 0.25, 0.625])).tolist() == [0, 50, 100, 300]


@pytest.mark.parametrize("draw", [0.0, 0.5, float(np.nextafter(1.0, 0))])
def test_a_span_without_a_share_is_skipped(draw: float) -> None:
    assert 100 <= DurationDistribution([100, 500, 900], [0.0, 1.0, 0.0])(np.array([draw]))[0] <= 500
