"""A shadow policy in whole recoveries: its plans are recorded, and nothing else changes."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import catalog
from core.durations import TimeScale
from core.events import EventType, State
from core.strategies.base import Proposal, Situation
from lookups.shadow_plan import ShadowPlanner
from settings import SHIPPED_POLICY
from tests.support.gateway import SUCCEED, decline_result
from tests.workflows.conftest import RecoveryRun, RecoveryRuns, shipped_sources

SHIPPED = Path(SHIPPED_POLICY).read_text()
QUICKER_POLICY = SHIPPED.replace('["3h", "24h", "72h", "168h"]', '["1h", "24h", "72h", "168h"]')
OTHER_STRATEGY = '[strategies.standard_ladder]\nuse = "{use}"\n'
TYPES = ["payment.failed", "failure.classified", "customer.segmented", "fraud.assessed", "retry.planned"]


class HangingStrategy:
    """A strategy that doesn't answer until it is released."""

    release_event = threading.Event()

    def propose(self, _: Situation) -> Proposal | None:
        """A proposal, once the strategy is released."""
        self.release_event.wait(20)
        return None


WriteShadow = Callable[[str | None], Path]


@pytest.fixture
def write_shadow(tmp_path: Path) -> WriteShadow:
    """Writes the shadow policy's file; None removes it."""

    def write_shadow_file(text: str | None) -> Path:
        file = tmp_path / "shadow.toml"
        if text is not None:
            file.write_text(text)
        return file

    return write_shadow_file


@pytest.fixture
def released() -> Iterator[None]:
    yield
    HangingStrategy.release_event.set()


def shadow_of(file: Path, **more: Any) -> ShadowPlanner:
    """A shadow planner for this file, with a hanging strategy installed."""
    strategies = {**catalog.installed_strategies(), "hangs": lambda **_: HangingStrategy()}
    shipped = shipped_sources()
    policy = catalog.PolicyFile(file)
    return ShadowPlanner(catalog.DecisionSources(shipped.tables, policy, strategies, TimeScale()), **more)


async def play_decline_and_payment(recovery_runs: RecoveryRuns, beside: ShadowPlanner | None) -> RecoveryRun:
    """A recovery with one declined and one successful charge."""
    recovery_run = await recovery_runs(
        "generic_decline", shadow=beside, script=[decline_result("generic_decline"), SUCCEED]
    )
    await recovery_run.begin_with_failure()
    assert (await recovery_run.wait_for_end()).state is State.RECOVERED
    return recovery_run


def rows_without_shadow(recovery_run: RecoveryRun) -> list[str]:
    """The types of its rows without the shadow's."""
    return [event_type for event_type in recovery_run.event_types if event_type != "shadow.planned"]


USUAL_TYPES = [
    *TYPES, "charge.requested", "charge.declined", "failure.classified", "fraud.assessed", "retry.planned",
    "charge.requested", "charge.succeeded", "recovery.closed",
]  # fmt: skip


async def test_disagreeing_shadow_plan_is_recorded_beside_every_decision_and_charges_nothing(
    recovery_runs: RecoveryRuns, write_shadow: WriteShadow
) -> None:
    recovery_run = await play_decline_and_payment(recovery_runs, shadow_of(write_shadow(QUICKER_POLICY)))

    assert rows_without_shadow(recovery_run) == USUAL_TYPES
    plans, rows = (
        recovery_run.all_records_of(EventType.RETRY_PLANNED),
        recovery_run.all_records_of(EventType.SHADOW_PLANNED),
    )
    assert [row.sequence for row in rows] == [plan.sequence + 1 for plan in plans]
    assert [row.data["agrees"] for row in rows] == [False, True]
    assert rows[0].data["at"] < plans[0].data["at"]
    assert [row.data["retry"] for row in plans] == [1, 2]
    assert recovery_run.gateway.success_count == 1
    charged = [row.occurred_at.isoformat() for row in recovery_run.all_records_of(EventType.CHARGE_REQUESTED)]
    assert all(at[:16] >= plan.data["at"][:16] for at, plan in zip(charged, plans, strict=True))


@pytest.mark.parametrize("text", ["this is no policy", "", None], ids=["broken", "empty", "missing"])
async def test_unreadable_shadow_policy_does_not_affect_the_recovery(
    recovery_runs: RecoveryRuns, write_shadow: WriteShadow, text: str | None
) -> None:
    assert (await play_decline_and_payment(recovery_runs, shadow_of(write_shadow(text)))).event_types == USUAL_TYPES


async def test_a_shadow_that_hangs_is_left_out(
    recovery_runs: RecoveryRuns, write_shadow: WriteShadow, released: None
) -> None:
    del released
    before, _, after = SHIPPED.partition("[strategies.standard_ladder]\n")
    file = write_shadow(before + OTHER_STRATEGY.format(use="hangs") + "\n[" + after.partition("\n[")[2])
    assert (await play_decline_and_payment(recovery_runs, shadow_of(file, budget=0.1))).event_types == USUAL_TYPES


async def test_a_shadow_that_raises_is_left_out(
    recovery_runs: RecoveryRuns, write_shadow: WriteShadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("lookups.shadow_plan.decide_shadow", raise_error)
    assert (
        await play_decline_and_payment(recovery_runs, shadow_of(write_shadow(QUICKER_POLICY)))
    ).event_types == USUAL_TYPES
