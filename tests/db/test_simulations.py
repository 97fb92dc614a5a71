"""Dry runs as rows: an ended simulation stays unchanged."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from core.errors import InvalidInput
from core.simulations import SimulationOrder, SimulationOutcome, SimulationState, SourceKind
from db.repositories import simulations
from db.session import Database, Session
from tests.db.recovery_events import NOW

ORDER = SimulationOrder(
    source=SourceKind.HISTORY, recoveries=500, seed=2**63 - 1, policy="a = 1", baseline="a = 2", assumptions="b = 3"
)
RESULT = SimulationOutcome(result='{"seed": 1, "rate": 0.10}\n', report="<p>£</p>")
LATER = NOW + timedelta(seconds=5)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as opened:
        yield opened


async def create_simulation(session: Session, order: SimulationOrder = ORDER, after: timedelta = timedelta()) -> UUID:
    """The id of a new simulation."""
    id = uuid4()
    await simulations.insert_simulation(session, id, order, "ann", NOW + after)
    return id


async def simulation_state(session: Session, id: UUID) -> SimulationState:
    """The state of a simulation."""
    row = await simulations.load_simulation(session, id)
    assert row is not None
    return SimulationState(row["state"])


async def test_simulation_from_request_to_result(session: Session) -> None:
    id = await create_simulation(session)
    assert await simulation_state(session, id) is SimulationState.QUEUED
    assert await simulations.begin_simulation(session, id, NOW) == ORDER
    await simulations.save_progress(session, id, 7, 500)
    row = await simulations.load_simulation(session, id)
    assert row is not None
    assert (row["state"], row["done"], row["total"], row["started_at"]) == ("running", 7, 500, NOW)
    assert await simulations.load_report(session, id) == (SimulationState.RUNNING, None)
    assert await simulations.finish_simulation(session, id, RESULT, LATER)
    simulation = await simulations.load_simulation(session, id)
    assert simulation is not None
    assert (simulation["state"], simulation["result"], simulation["ended_at"], simulation["created_by"]) == (
        "done",
        RESULT.result,
        LATER,
        "ann",
    )
    assert await simulations.load_report(session, id) == (SimulationState.DONE, RESULT.report)


async def test_another_worker_restarts_a_simulation(session: Session) -> None:
    id = await create_simulation(session)
    await simulations.begin_simulation(session, id, NOW)
    await simulations.save_progress(session, id, 7, 500)
    assert await simulations.begin_simulation(session, id, LATER) == ORDER
    row = await simulations.load_simulation(session, id)
    assert row is not None
    assert (row["done"], row["total"]) == (0, None)


@pytest.mark.parametrize("end", [SimulationState.DONE, SimulationState.FAILED, SimulationState.CANCELED])
async def test_ended_simulation_stays_unchanged(session: Session, end: SimulationState) -> None:
    id = await create_simulation(session)
    if end is SimulationState.CANCELED:
        assert await simulations.mark_canceled(session, id, NOW)
    else:
        await simulations.finish_simulation(
            session, id, RESULT if end is SimulationState.DONE else SimulationOutcome(problem="no"), NOW
        )
    simulation = await simulations.load_simulation(session, id)
    assert await simulations.begin_simulation(session, id, LATER) is None
    assert not await simulations.mark_canceled(session, id, LATER)
    assert not await simulations.finish_simulation(session, id, SimulationOutcome(problem="later"), LATER)
    await simulations.save_progress(session, id, 9, 9)
    await simulations.remove_queued(session, id)
    assert await simulations.load_simulation(session, id) == simulation
    assert await simulation_state(session, id) is end


async def test_unstarted_simulation_can_be_deleted(session: Session) -> None:
    id = await create_simulation(session)
    await simulations.remove_queued(session, id)
    assert await simulations.load_simulation(session, id) is None
    assert await simulations.load_report(session, id) is None


async def test_pages_lead_through_all_of_them_newest_first(session: Session) -> None:
    ids = [await create_simulation(session, after=timedelta(days=400, seconds=number // 2)) for number in range(7)]
    ids_read: list[UUID] = []
    cursor = None
    while len(ids_read) < 7:
        page = await simulations.load_simulation_page(session, 3, cursor)
        ids_read += [row["id"] for row in page.items if row["id"] in ids]
        cursor = page.next_cursor
    assert len(set(ids_read)) == 7
    times = [ids.index(id) // 2 for id in ids_read]
    assert times == sorted(times, reverse=True)
    assert not {"policy", "result", "report"} & set(page.items[0])


async def test_cursor_of_another_list_is_refused(session: Session) -> None:
    with pytest.raises(InvalidInput):
        await simulations.load_simulation_page(session, 3, "no-cursor")
