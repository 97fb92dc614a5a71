"""Runs activities for the workflow: local-first ones for quick work, and calls to a provider."""

from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception
from temporalio.types import MethodAsyncSingleParam
from temporalio.workflow import ActivityConfig

from core.contracts import NOT_ALLOWED, ChargeInput, ProviderInput, ReadInput
from core.events.types import Trigger
from workflows import options

Given = TypeVar("Given")
Result = TypeVar("Result")
Order = TypeVar("Order", bound=ProviderInput)


async def run_local_first(method: MethodAsyncSingleParam[Any, Given, Result], given: Given) -> Result:
    """Run a local activity; if it fails or times out, run it as a normal activity that retries until it succeeds.

    A failed local activity raises ApplicationError, a timed-out one ActivityError live and TimeoutError on replay:
    all three are FailureErrors.
    """
    try:
        return await workflow.execute_local_activity_method(method, given, **options.LOCAL)
    except FailureError as failure:
        if is_cancelled_exception(failure):
            raise
    return await workflow.execute_activity_method(method, given, **options.STORE)


class NoAnswer(NamedTuple):
    """The provider gave no answer in the time and tries of the call, or asked for a longer wait than that."""

    retry_after: timedelta | None = None
    refusal: str | None = None
    """The provider refuses this key; what it says."""


def _no_answer(cause: BaseException | None) -> NoAnswer:
    if not isinstance(cause, ApplicationError):
        return NoAnswer()
    return NoAnswer(cause.next_retry_delay, str(cause.message) if cause.type == NOT_ALLOWED else None)


def _provider_options(order: ProviderInput, summary: str) -> ActivityConfig:
    """Charges go before reads, and the one that somebody waits for before those that are only due."""
    provider = order.recovery.provider
    if isinstance(order, ReadInput):
        return options.provider_read_options(provider, summary)
    is_awaited = isinstance(order, ChargeInput) and order.trigger != Trigger.SCHEDULED
    return options.provider_call_options(provider, summary, options.AWAITED_CHARGE if is_awaited else options.CHARGE)


async def call_provider(
    method: MethodAsyncSingleParam[Any, Order, Result], order: Order, summary: str
) -> Result | NoAnswer:
    """Run the activity on the provider's own rate-limited queue; NoAnswer if it fails."""
    try:
        return await workflow.execute_activity_method(method, order, **_provider_options(order, summary))
    except FailureError as failure:
        if is_cancelled_exception(failure):
            raise
        return _no_answer(failure.cause)


def requested_wait(answer: object) -> timedelta:
    """The wait that the provider asked for; zero in runs whose history is older than the patch `retry-after`."""
    wait = answer.retry_after if isinstance(answer, NoAnswer) else None
    return wait if wait and workflow.patched("retry-after") else timedelta()
