"""The schema of the event log over HTTP."""

from core.events import EventType
from tests.api.harness import ALL_SCOPES, ApiHarness


async def test_schema_describes_the_data_of_each_event_type(harness: ApiHarness) -> None:
    answer = await harness.client.get("/v1/events/schema", headers=ALL_SCOPES)
    assert answer.status_code == 200
    assert set(answer.json()) == set(EventType)
    assert "idempotency_key" in answer.json()["charge.requested"]["required"]


async def test_events_schema_needs_a_key(harness: ApiHarness) -> None:
    assert (await harness.client.get("/v1/events/schema")).status_code == 401
