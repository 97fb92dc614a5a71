"""Every execution of an activity leaves a log line and a duration; only errors that nobody expected are reported."""

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sentry_sdk
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from temporalio.activity import Info
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from core.errors import StoreUnavailable
from core.recovery.state import Recovery
from observability.activity_observer import ActivityObserver, activity_seconds

RECOVERY = Recovery(provider="stripe", invoice_id="in_1")
Activity = Callable[..., Awaitable[Any]]


class FixedInfo(ActivityOutboundInterceptor):
    """Answers with the second attempt of a charge."""

    def __init__(self) -> None:
        pass

    def info(self) -> Info:
        """As Temporal describes the execution."""
        return dataclasses.replace(
            ActivityEnvironment.default_info(),
            activity_type="charge_invoice",
            workflow_id="recovery-stripe-in_1",
            attempt=2,
        )


class CallActivity(ActivityInboundInterceptor):
    """The end of the chain: calls the activity."""

    def __init__(self) -> None:
        pass

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        """Nobody is behind it."""

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """The activity's result or error."""
        return await input.fn(*input.args)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Log lines with what the context adds to them."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as captured:
        yield captured


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The errors that Sentry would get."""
    errors: list[Exception] = []
    monkeypatch.setattr(sentry_sdk, "capture_exception", errors.append)
    return errors


async def execute_observed(registry: CollectorRegistry, activity: Activity, *args: object) -> Any:
    """One execution, as the SDK wires it."""
    inbound = ActivityObserver(activity_seconds(registry)).intercept_activity(CallActivity())
    inbound.init(FixedInfo())
    return await inbound.execute_activity(ExecuteActivityInput(fn=activity, args=args, executor=None, headers={}))


async def charge(_: object) -> str:
    """An activity that logs something itself."""
    structlog.get_logger("test").info("inside")
    return "charged"


def count_executions(registry: CollectorRegistry, outcome: str) -> float | None:
    """How many durations were observed."""
    labels = {"activity": "charge_invoice", "outcome": outcome}
    return registry.get_sample_value("pri_activity_seconds_count", labels)


async def test_execution_is_logged_and_measured_with_its_result(
    registry: CollectorRegistry, lines: list[Any], reported: list[Exception]
) -> None:
    assert await execute_observed(registry, charge, SimpleNamespace(recovery=RECOVERY)) == "charged"
    assert [(line["event"], line["log_level"]) for line in lines] == [("inside", "info"), ("charge_invoice", "info")]
    for line in lines:
        assert (line["recovery_id"], line["invoice"], line["provider"]) == ("recovery-stripe-in_1", "in_1", "stripe")
    assert (count_executions(registry, "done"), count_executions(registry, "failed")) == (1, None)
    assert reported == []


@pytest.mark.parametrize(
    ("error", "is_reported"),
    [(StoreUnavailable("away"), False), (ApplicationError("refused"), False), (RuntimeError("boom"), True)],
)
async def test_failure_is_raised_and_reported_only_if_unexpected(
    error: Exception, is_reported: bool, registry: CollectorRegistry, lines: list[Any], reported: list[Exception]
) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        await execute_observed(registry, fail)
    (line,) = lines
    assert (line["log_level"], line["error"], line["try_"]) == ("warning", type(error).__name__, 2)
    assert (line["recovery_id"], line["invoice"]) == ("recovery-stripe-in_1", "")
    assert (count_executions(registry, "done"), count_executions(registry, "failed")) == (None, 1)
    assert reported == ([error] if is_reported else [])
