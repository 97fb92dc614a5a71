"""Dry runs in the admin console: started by operators, visible to everybody."""

from uuid import UUID

import pytest

from api.admin.sessions import Role
from core.errors import EngineUnavailable
from core.simulations import SimulationOutcome
from db.repositories import simulations
from settings import SHIPPED_POLICY
from tests.api.admin.console import AdminBrowser
from tests.api.admin.page_reader import Page
from tests.api.harness import FakeSimulations, app_now

SHIPPED = SHIPPED_POLICY.read_text()


def fake_simulations(console: AdminBrowser) -> FakeSimulations:
    """The fake simulations of the application."""
    simulations = console.harness.app.state.parts.simulations
    assert isinstance(simulations, FakeSimulations)
    return simulations


async def start_simulation(console: AdminBrowser, **fields: str) -> Page:
    """The page of a new simulation."""
    return await console.submit_and_follow("/simulations", policy=SHIPPED, **fields)


async def test_operator_starts_a_simulation(console: AdminBrowser) -> None:
    page = await start_simulation(console.sign_in_as(Role.OPERATOR, "ottilie"), recoveries="1,000", seed="7")
    assert "Started by ottilie" in page.text
    assert "Waiting for a worker" in page.text
    assert len(fake_simulations(console).started) == 1


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
async def test_invalid_simulation_is_reported_and_the_form_kept(
    console: AdminBrowser, fields: dict[str, str], words: str
) -> None:
    page = await console.sign_in_as().submit_form("/simulations", **fields)
    assert page.status == 422
    assert words in page.text
    assert fake_simulations(console).started == []


async def test_simulation_is_not_stored_without_temporal(console: AdminBrowser) -> None:
    browser = console.sign_in_as()
    fake_simulations(console).failing = EngineUnavailable("Temporal cannot be reached.")
    page = await browser.submit_form("/simulations", policy=SHIPPED, seed="4711")
    assert page.status == 503
    assert "Temporal cannot be reached." in page.text
    fake_simulations(console).failing = None
    assert "4711" not in (await browser.get_page("/simulations")).text


async def test_simulation_is_canceled_once(console: AdminBrowser) -> None:
    browser = console.sign_in_as(Role.OPERATOR)
    page = await start_simulation(browser)
    address = page.response.url.path
    assert "being canceled" in (await browser.submit_and_follow(f"{address}/cancel")).text
    assert len(fake_simulations(console).canceled) == 1


async def test_failed_simulation_shows_its_reason_and_no_report(console: AdminBrowser) -> None:
    browser = console.sign_in_as(Role.OPERATOR)
    address = (await start_simulation(browser)).response.url.path
    async with browser.harness.db.begin() as session:
        id = fake_simulations(console).started[-1]
        problem = SimulationOutcome(problem="There is no history yet.")
        await simulations.finish_simulation(session, UUID(id), problem, app_now())
    assert "There is no history yet." in (await browser.get_page(address)).text
    assert (await browser.get_page(f"{address}/report")).status == 404
    assert "is failed already" in (await browser.submit_and_follow(f"{address}/cancel")).text


async def test_report_may_be_framed_only_by_its_page(console: AdminBrowser) -> None:
    browser = console.sign_in_as(Role.OPERATOR)
    address = (await start_simulation(browser)).response.url.path
    async with browser.harness.db.begin() as session:
        outcome = SimulationOutcome(
            result='{"arms": [], "difference": null}', report="<!DOCTYPE html><title>a report</title>"
        )
        await simulations.finish_simulation(session, UUID(fake_simulations(console).started[-1]), outcome, app_now())
    report = await browser.get_page(f"{address}/report")
    assert report.status == 200
    assert "frame-ancestors 'self'" in report.response.headers["content-security-policy"]
    assert "script-src" not in report.response.headers["content-security-policy"]
