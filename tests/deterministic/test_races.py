"""An operator's command against the charge that it should keep from being made, at every moment around its request."""

import dataclasses
from collections.abc import Iterator

import pytest

from tests.deterministic.bugs import cancel_beside_request
from tests.deterministic.faults import Fault
from tests.deterministic.scenario import Action, InvoicePlan, Scenario, draw_scenario
from tests.deterministic.simulation import Played, play

INVOICE = InvoicePlan("fp_0", "visa", "insufficient_funds", ("insufficient_funds",), always_declines=False)
QUIET = dataclasses.replace(
    draw_scenario(0), invoices=(INVOICE,), actions=(), faults=(), timings=(), history_limit=10_000, queue_seconds=0.3
)
"""One invoice whose first charge waits a moment in its queue and is declined, and nothing else that happens."""
MOMENTS = [step * 0.016 for step in range(50)]


def races(kind: str, *faults: Fault) -> Iterator[tuple[float, Scenario]]:
    """The command at each moment after the charge was queued."""
    for at in MOMENTS:
        yield at, dataclasses.replace(QUIET, actions=(Action(kind, 0, at, queued=1),), faults=faults)


def first_of(played: Played, row: str) -> int:
    """The number of the line of the first such row; behind all others where there is none."""
    found = (number for number, line in enumerate(played.lines) if f" {row} " in line)
    return next(found, len(played.lines))


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("cancel", "operator.cancel_requested"),
        ("pause", "operator.paused"),
        ("signal_cancel", "operator.cancel_requested"),
        ("cancel_workflow", "operator.cancel_requested"),
    ],
)
def test_either_the_command_is_first_and_nothing_is_requested_or_it_waits_for_the_answer(kind: str, row: str) -> None:
    before = after = 0
    for at, scenario in races(kind):
        played = play(scenario)
        assert not played.violations, at
        if first_of(played, row) < first_of(played, "charge.requested"):
            before += 1
        else:
            assert first_of(played, "charge.declined") < first_of(played, row) < len(played.lines), at
            after += 1
    assert before >= 5
    assert after >= 5


def test_a_command_is_in_the_log_at_once_while_the_charge_waits() -> None:
    scenario = dataclasses.replace(QUIET, queue_seconds=250.0, actions=(Action("pause", 0, 1.0, queued=1),))
    lines = play(scenario).lines
    times = {word: float(line.split()[0]) for line in reversed(lines) for word in line.split()}
    assert times["operator.paused"] - times["pause"] < 0.2
    assert times["charge.requested"] - times["operator.resumed"] > 0


def test_a_cancel_waits_where_the_worker_is_stopped_between_the_request_and_the_call() -> None:
    stopped = dataclasses.replace(
        QUIET,
        seed=22,  # stopped for less than the time within which a request may still be sent
        queue_seconds=0.01,
        actions=(Action("cancel", 0, 1.0, queued=1),),
        faults=(Fault("commit", 5, "stop_after"),),
    )
    with cancel_beside_request():
        assert "pay call 1" in play(stopped).violations[0]
    played = play(stopped)
    assert not played.violations
    assert first_of(played, "charge.requested") < first_of(played, "operator.cancel_requested") < len(played.lines)
