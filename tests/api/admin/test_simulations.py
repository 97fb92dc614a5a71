"""Dry runs in the desk: started by operators, looked at by everybody."""

from uuid import UUID

import pytest

from api.admin.people import Role
from core.errors import EngineUnavailable
from core.simulations import SimulationOutcome
from db.repositories import simulations
from settings import SHIPPED_POLICY
from tests.api.admin.desk import Desk
from tests.api.admin.reading import Page
from tests.api.house import FakeSimulations, now

SHIPPED = SHIPPED_POLICY.read_text()


def engine(desk: Desk) -> FakeSimulations:
    """Who is asked to compute."""
    found = desk.house.app.state.parts.simulations
    assert isinstance(found, FakeSimulations)
    return found


async def started(desk: Desk, **fields: str) -> Page:
    """The page of a new one."""
    return await desk.done("/simulations", policy=SHIPPED, **fields)


async def test_an_operator_starts_one(desk: Desk) -> None:
    page = await started(desk.signed_in(Role.OPERATOR, "ottilie"), recoveries="1,000", seed="7")
    assert "Started by ottilie" in page.text
    assert "Waiting for a worker" in page.text
    assert len(engine(desk).begun) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"policy": ""}, "Paste a policy or choose a file"),
        ({"policy": "format = 2"}, "format"),
        ({"policy": SHIPPED, "recoveries": "many"}, "recoveries"),
        ({"policy": SHIPPED, "seed": "-1"}, "seed"),
        ({"policy": SHIPPED, "source": "tea leaves"}, "source"),
    ],
)
async def test_what_cannot_be_simulated_is_told_and_the_form_kept(
    desk: Desk, fields: dict[str, str], words: str
) -> None:
    page = await desk.signed_in().send("/simulations", **fields)
    assert page.status == 422
    assert words in page.text
    assert engine(desk).begun == []


async def test_without_temporal_nothing_is_left_behind(desk: Desk) -> None:
    here = desk.signed_in()
    engine(desk).failing = EngineUnavailable("Temporal cannot be reached.")
    page = await here.send("/simulations", policy=SHIPPED, seed="4711")
    assert page.status == 503
    assert "Temporal cannot be reached." in page.text
    engine(desk).failing = None
    assert "4711" not in (await here.get("/simulations")).text


async def test_one_is_canceled_once(desk: Desk) -> None:
    here = desk.signed_in(Role.OPERATOR)
    page = await started(here)
    address = page.response.url.path
    assert "being canceled" in (await here.done(f"{address}/cancel")).text
    assert len(engine(desk).canceled) == 1


async def test_one_that_failed_says_why_and_has_no_report(desk: Desk) -> None:
    here = desk.signed_in(Role.OPERATOR)
    address = (await started(here)).response.url.path
    async with here.house.db.begin() as session:
        id = engine(desk).begun[-1]
        problem = SimulationOutcome(problem="There is no history yet.")
        await simulations.finish(session, UUID(id), problem, now())
    assert "There is no history yet." in (await here.get(address)).text
    assert (await here.get(f"{address}/report")).status == 404
    assert "is failed already" in (await here.done(f"{address}/cancel")).text


async def test_the_report_may_be_framed_by_its_page_alone(desk: Desk) -> None:
    here = desk.signed_in(Role.OPERATOR)
    address = (await started(here)).response.url.path
    async with here.house.db.begin() as session:
        done = SimulationOutcome(
            result='{"arms": [], "difference": null}', report="<!DOCTYPE html><title>a report</title>"
        )
        await simulations.finish(session, UUID(engine(desk).begun[-1]), done, now())
    report = await here.get(f"{address}/report")
    assert report.status == 200
    assert "frame-ancestors 'self'" in report.response.headers["content-security-policy"]
    assert "script-src" not in report.response.headers["content-security-policy"]
