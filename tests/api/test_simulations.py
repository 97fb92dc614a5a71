"""Dry runs over HTTP: validated, observed while they run, and read when done."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from core.errors import EngineUnavailable
from core.simulations import SimulationOutcome
from db.repositories import operator_actions, simulations
from settings import SHIPPED_POLICY
from tests.api.harness import ALL_SCOPES, ApiHarness, FakeSimulations, app_now

SHIPPED = SHIPPED_POLICY.read_text()
WRONG = SHIPPED.replace("attempts_allowed = 4", 'attempts_allowed = "many"')
REPORT = "<!DOCTYPE html><title>£ a report</title>"


def fake_simulations(harness: ApiHarness) -> FakeSimulations:
    """The fake simulations of the application."""
    simulations = harness.app.state.parts.simulations
    assert isinstance(simulations, FakeSimulations)
    return simulations


async def post_simulation(harness: ApiHarness, **body: Any) -> Any:
    """The response to a new simulation."""
    return await harness.client.post("/v1/simulations", headers=ALL_SCOPES, json={"policy": SHIPPED} | body)


async def start_simulation(harness: ApiHarness, **body: Any) -> str:
    """The id of a new simulation."""
    answer = await post_simulation(harness, **body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def get_simulation(harness: ApiHarness, id: str, rest: str = "") -> Any:
    """The response to reading a simulation."""
    return await harness.client.get(f"/v1/simulations/{id}{rest}", headers=ALL_SCOPES)


async def test_new_simulation_is_queued_and_started(harness: ApiHarness) -> None:
    answer = await post_simulation(harness, seed=7, recoveries=1000, source="history")
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/simulations/{body['id']}"
    assert fake_simulations(harness).started == [body["id"]]
    shown_fields = {
        key: body[key] for key in ("state", "seed", "recoveries", "source", "created_by", "result", "problem")
    }
    assert shown_fields == {
        "state": "queued",
        "seed": 7,
        "recoveries": 1000,
        "source": "history",
        "created_by": "bootstrap",
        "result": None,
        "problem": None,
    }
    assert body["progress"] == {"done": 0, "total": None}
    assert (await get_simulation(harness, body["id"])).json() == body


async def test_the_baseline_is_the_active_policy_unless_another_is_given(harness: ApiHarness) -> None:
    ids = [await start_simulation(harness), await start_simulation(harness, baseline=SHIPPED + "\n# mine\n")]
    async with harness.db.begin() as session:
        rows = [await simulations.load_simulation(session, UUID(id)) for id in ids]
    assert [row["baseline"] for row in rows if row] == [SHIPPED, SHIPPED + "\n# mine\n"]


@pytest.mark.parametrize("field", ["policy", "baseline"])
async def test_invalid_policy_is_refused_with_line_and_key(harness: ApiHarness, field: str) -> None:
    answer = await post_simulation(harness, **{field: WRONG})
    assert (answer.status_code, answer.json()["code"]) == (422, "policy_invalid")
    line = 1 + WRONG[: WRONG.index('"many"')].count("\n")
    assert answer.json()["detail"].startswith(f"{field}:{line}: ")
    assert "attempts_allowed" in answer.json()["detail"]
    assert fake_simulations(harness).started == []


BAD_ORDERS: list[dict[str, Any]] = [
    {"policy": None},
    {"policy": "x" * 300_001},
    {"recoveries": 0},
    {"recoveries": 1_000_001},
    {"seed": -1},
    {"seed": 2**63},
    {"source": "elsewhere"},
    {"assumptions": "a = = 1"},
    {"jobs": 4},
]


@pytest.mark.parametrize("body", BAD_ORDERS, ids=lambda body: next(iter(body)))
async def test_invalid_simulation_request_is_422(harness: ApiHarness, body: dict[str, Any]) -> None:
    answer = await post_simulation(harness, **body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_simulation_is_not_stored_without_temporal(harness: ApiHarness) -> None:
    fake_simulations(harness).failing = EngineUnavailable("away")
    before = (await harness.client.get("/v1/simulations", headers=ALL_SCOPES)).json()
    answer = await post_simulation(harness)
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")
    assert (await harness.client.get("/v1/simulations", headers=ALL_SCOPES)).json() == before


async def test_progress_shows_while_it_runs_and_the_result_when_it_is_done(harness: ApiHarness) -> None:
    id = await start_simulation(harness)
    async with harness.db.begin() as session:
        await simulations.begin_simulation(session, UUID(id), app_now())
        await simulations.save_progress(session, UUID(id), 40, 100)
    running = (await get_simulation(harness, id)).json()
    assert (running["state"], running["progress"]) == ("running", {"done": 40, "total": 100})
    assert (await get_simulation(harness, id, "/report")).status_code == 404
    async with harness.db.begin() as session:
        await simulations.finish_simulation(
            session, UUID(id), SimulationOutcome(result='{"seed": 1}', report=REPORT), app_now()
        )
    body = (await get_simulation(harness, id)).json()
    assert (body["state"], body["result"]) == ("done", {"seed": 1})


async def test_the_report_is_a_page_that_may_load_nothing(harness: ApiHarness) -> None:
    id = await start_simulation(harness)
    async with harness.db.begin() as session:
        await simulations.finish_simulation(session, UUID(id), SimulationOutcome(result="{}", report=REPORT), app_now())
    page = await get_simulation(harness, id, "/report")
    assert (page.status_code, page.text) == (200, REPORT)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")


async def test_cancel_signals_a_started_run(harness: ApiHarness) -> None:
    id = await start_simulation(harness)
    answer = await harness.client.post(f"/v1/simulations/{id}/cancel", headers=ALL_SCOPES)
    assert answer.status_code == 200
    assert fake_simulations(harness).canceled == [id]
    assert answer.json()["state"] == "queued"  # its run writes the end


async def test_cancel_without_a_run_ends_the_simulation(harness: ApiHarness) -> None:
    id = await start_simulation(harness)
    fake_simulations(harness).started.clear()
    answer = await harness.client.post(f"/v1/simulations/{id}/cancel", headers=ALL_SCOPES)
    assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
    again = await harness.client.post(f"/v1/simulations/{id}/cancel", headers=ALL_SCOPES)
    assert (again.status_code, again.json()["code"]) == (409, "closed")


@pytest.mark.parametrize("id", [str(uuid4()), "nothing", "%00"], ids=["unknown", "no id", "nul"])
async def test_unknown_simulation_is_404(harness: ApiHarness, id: str) -> None:
    assert (await get_simulation(harness, id)).status_code == 404
    assert (await get_simulation(harness, id, "/report")).status_code == 404
    assert (await harness.client.post(f"/v1/simulations/{id}/cancel", headers=ALL_SCOPES)).status_code == 404


async def test_list_items_have_no_result(harness: ApiHarness) -> None:
    id = await start_simulation(harness)
    page = (await harness.client.get("/v1/simulations?limit=1", headers=ALL_SCOPES)).json()
    assert [item["id"] for item in page["items"]] == [id]
    assert "result" not in page["items"][0]
    following = (await harness.client.get(f"/v1/simulations?cursor={page['next_cursor']}", headers=ALL_SCOPES)).json()
    assert id not in [item["id"] for item in following["items"]]


async def test_read_scope_may_not_start_a_simulation(harness: ApiHarness) -> None:
    id = await start_simulation(harness)
    reader, simulator, writer = [
        await harness.create_key(f"{scope}") for scope in ("recoveries:read", "simulations:write", "recoveries:write")
    ]
    statuses = [
        (await harness.client.get(f"/v1/simulations/{id}", headers=key)).status_code
        for key in (reader, simulator, writer)
    ]
    assert statuses == [200, 200, 403]
    starts = [
        (await harness.client.post("/v1/simulations", headers=key, json={"policy": SHIPPED})).status_code
        for key in (reader, simulator, writer)
    ]
    assert starts == [403, 202, 403]


async def test_start_and_cancel_are_audited(harness: ApiHarness) -> None:
    id = await start_simulation(harness, recoveries=500)
    await harness.client.post(f"/v1/simulations/{id}/cancel", headers=ALL_SCOPES)
    async with harness.db.begin() as session:
        entries = (await operator_actions.load_entries(session, actor="bootstrap")).items
    first, second = sorted((entry for entry in entries if entry.subject == id), key=lambda entry: entry.at)
    assert (first.action, second.action) == ("simulation_started", "simulation_canceled")
    assert first.detail == {"source": "synthetic", "recoveries": 500, "seed": 1}
