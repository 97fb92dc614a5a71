"""The two ways in which the workflow has work done: quick work of ours, and calls to a provider."""

from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.types import MethodAsyncSingleParam

from core.contracts import ProviderOrder
from workflows import options

Given = TypeVar("Given")
Result = TypeVar("Result")
Order = TypeVar("Order", bound=ProviderOrder)


async def stored(method: MethodAsyncSingleParam[Any, Given, Result], given: Given) -> Result:
    """Do it in this worker at once; where that takes too long, have the server see to it until it is done.

    A failed local activity raises ApplicationError, a timed-out one ActivityError live and TimeoutError on replay:
    all three are FailureErrors.
    """
    try:
        return await workflow.execute_local_activity_method(method, given, **options.LOCAL)
    except FailureError as failure:
        if is_cancelled_exception(failure):
            raise
    return await workflow.execute_activity_method(method, given, **options.STORE)


async def call(method: MethodAsyncSingleParam[Any, Order, Result], order: Order, summary: str) -> Result | None:
    """Have the provider called on its own paced queue; None where there was no answer in five minutes."""
    try:
        return await workflow.execute_activity_method(
            method, order, **options.provider(order.recovery.provider, summary)
        )
    except FailureError as failure:
        if is_cancelled_exception(failure):
            raise
        return None
