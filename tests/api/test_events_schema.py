"""The schema of the event log over HTTP."""

from core.events import EventType
from tests.api.house import ALL_SCOPES, ApiHarness


async def test_programs_read_what_each_type_holds(house: ApiHarness) -> None:
    answer = await house.client.get("/v1/events/schema", headers=ALL_SCOPES)
    assert answer.status_code == 200
    assert set(answer.json()) == set(EventType)
    assert "idempotency_key" in answer.json()["charge.requested"]["required"]


async def test_it_takes_a_key(house: ApiHarness) -> None:
    assert (await house.client.get("/v1/events/schema")).status_code == 401
