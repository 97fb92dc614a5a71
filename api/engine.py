"""What readiness asks of Temporal."""

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.health import Check
from workflows.search import missing_attributes, registered_attributes


def temporal_checks(client: Client) -> tuple[Check, ...]:
    """Temporal answers and has our namespace; and, without weight, the search attributes are registered."""

    async def reachable() -> str | None:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except RPCError as error:
            return _told(error)
        except RuntimeError:
            return "Temporal cannot be reached"
        return None

    async def searchable() -> str | None:
        try:
            lacking = missing_attributes(await registered_attributes(client))
        except (RPCError, RuntimeError):
            return "the search attributes can't be listed here"
        return f"missing: {', '.join(lacking)}; run `pri migrate`" if lacking else None

    return Check("temporal", reachable), Check("search_attributes", searchable, required=False)


def _told(error: RPCError) -> str | None:
    """A key that may not describe the namespace got an answer all the same."""
    if error.status is RPCStatusCode.PERMISSION_DENIED:
        return None
    return f"Temporal answered {error.status.name}"
