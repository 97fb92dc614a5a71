"""Runs activities for the workflow: local-first ones for quick work, and calls to a provider."""

from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception
from temporalio.types import MethodAsyncSingleParam

from core.contracts import NOT_ALLOWED, ProviderInput
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
    """The provider gave no answer within five minutes, or asked for a longer wait than that."""

    retry_after: timedelta | None = None
    refusal: str | None = None
    """The provider refuses this key; what it says."""


def _no_answer(cause: BaseException | None) -> NoAnswer:
    if not isinstance(cause, ApplicationError):
        return NoAnswer()
    return NoAnswer(cause.next_retry_delay, str(cause.message) if cause.type == NOT_ALLOWED else None)


async def call_provider(
    method: MethodAsyncSingleParam[Any, Order, Result], order: Order, summary: str
) -> Result | NoAnswer:
    """Run the activity on the provider's own rate-limited queue; NoAnswer if it fails."""
    try:
        return await workflow.execute_activity_method(
            method, order, **options.provider_call_options(order.recovery.provider, summary)
        )
    except FailureError as failure:
        if is_cancelled_exception(failure):
            raise
        return _no_answer(failure.cause)


def requested_wait(answer: object) -> timedelta:
    """The wait that the provider asked for; zero in runs whose history is older than the patch `retry-after`."""
    wait = answer.retry_after if isinstance(answer, NoAnswer) else None
    return wait if wait and workflow.patched("retry-after") else timedelta()
