"""Valid and invalid requests drawn from the OpenAPI description: every answer is one that the description has."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from starlette.routing import Mount

from api.auth import Scope
from core.contracts import RecoveryStatus
from core.events import Event, EventType, State, format_timestamp
from core.simulations import SimulationOutcome
from db.repositories import event_log, simulations
from db.session import Database
from settings import SHIPPED_POLICY
from tests.api.bad_input import Operation, list_operations
from tests.api.harness import ApiHarness, app_now, build_app, open_harness, run_server, stripe_event
from tests.api.harness import failed_event as failed_webhook
from tests.api.schema_cases import Known, SchemaCases
from tests.api.test_challenge import CHALLENGE
from tests.api.test_codec import NEW, OLD, PLAIN, body_of, encrypted
from tests.db.recovery_events import LATER, NOW, blank_recovery, canceled_event, event_of, failed_event
from tests.intake.fakes import TEMPORAL_AWAY, FakeRecoveries, unique_id

SHIPPED: Final = SHIPPED_POLICY.read_text()
CARD: Final = {"fingerprint": "fp_seeded", "network": "mastercard"}
CLASSIFIED: Final = event_of(EventType.FAILURE_CLASSIFIED, card=CARD, network_fee={"amount": 50, "currency": "usd"})
SEGMENTED: Final = event_of(EventType.CUSTOMER_SEGMENTED, experiment="patience", arm="quick")
WAITING: Final = (CLASSIFIED, SEGMENTED, event_of(EventType.FRAUD_ASSESSED), event_of(EventType.RETRY_PLANNED))
HISTORIES: Final[tuple[tuple[Event, ...], ...]] = (
    (),
    (CLASSIFIED,),
    WAITING,
    (*WAITING, event_of(EventType.CHARGE_REQUESTED)),
    (*WAITING, event_of(EventType.CHARGE_REQUESTED), event_of(EventType.CHARGE_UNKNOWN)),
    (*WAITING, event_of(EventType.CHARGE_REQUESTED), event_of(EventType.CHARGE_DECLINED)),
    (*WAITING, event_of(EventType.PAUSED)),
    (CLASSIFIED, SEGMENTED, event_of(EventType.RETRY_SKIPPED)),
    (CLASSIFIED, SEGMENTED, event_of(EventType.RETRY_SKIPPED, action="review", reason="fraud")),
    (*WAITING, event_of(EventType.PAID_ELSEWHERE)),
    (*WAITING, canceled_event()),
)
"""What follows the failure in each recovery that is stored before: open ones in seven states, and ended ones in two."""
LEAST_SHARE: Final = 0.25
"""Of the answers to valid requests about what is stored: with a 2xx."""
MOST_SHOWN: Final = 5
ACCEPTED: Final = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)


@pytest.fixture
async def service(database: Database, recoveries: FakeRecoveries) -> AsyncIterator[tuple[ApiHarness, str]]:
    """The application behind a real server, and its address."""
    app = build_app(database, recoveries, payload_encryption_keys=(NEW, OLD), rate_limit_per_address=0)
    async with open_harness(app, database, recoveries) as harness, run_server(app) as address:
        yield harness, address


async def seed_recoveries(harness: ApiHarness) -> list[str]:
    """The invoices of recoveries with these histories, whose runs are open or completed as their logs say."""
    invoices, states = [], set()
    for history in HISTORIES:
        recovery = blank_recovery(unique_id("in_schema"))
        rows = [failed_event(event_id=unique_id("evt_schema"), customer_id="cus_schema"), *history]
        async with harness.db.begin() as session:
            await event_log.append_to_log(session, recovery, rows, NOW)
            stored = await event_log.load_recovery(session, recovery.recovery_id)
        assert stored
        runs = harness.recoveries.completed if stored.stage.is_final else harness.recoveries.running
        runs.add(recovery.recovery_id)
        invoices.append(recovery.invoice_id)
        states.add(stored.state)
    assert states == set(State) - {State.SEGMENTED, State.EXHAUSTED, State.BLOCKED}
    return invoices


async def seed_simulations(harness: ApiHarness) -> list[str]:
    """The ids of dry runs: one queued, one running, one failed, two done."""
    key, ids = await harness.create_key(Scope.SIMULATE, name=unique_id("key")), []
    for _ in range(5):
        begun = await harness.client.post("/v1/simulations", headers=key, json={"policy": SHIPPED})
        ids.append(begun.json()["id"])
    done = SimulationOutcome(result='{"recoveries": 1}', report="<!DOCTYPE html><title>a report</title>")
    outcomes = (SimulationOutcome(problem="too few recoveries"), done, done)
    async with harness.db.begin() as session:
        await simulations.begin_simulation(session, UUID(ids[1]), app_now())
        for id, outcome in zip(ids[2:], outcomes, strict=True):
            assert await simulations.finish_simulation(session, UUID(id), outcome, app_now())
    return ids


async def second_page(harness: ApiHarness, path: str, key: dict[str, str]) -> dict[str, str]:
    """The query of a list's second page."""
    page = await harness.client.get(path, params={"limit": 1}, headers=key)
    return {"cursor": page.json()["next_cursor"]}


async def seed_known(harness: ApiHarness, operation: Operation, key: dict[str, str]) -> Known:
    """Stores recoveries, webhooks, a card's ledger and dry runs, and returns what leads to them."""
    invoices, ids = await seed_recoveries(harness), await seed_simulations(harness)
    assert (await harness.send_event(failed_webhook(unique_id("in_schema")))).status_code == 202
    events = [failed_webhook(unique_id("in_schema")), failed_webhook(invoices[2]), stripe_event("customer.created")]
    payloads = [body_of(await encrypted(OLD), await encrypted(NEW)), body_of(PLAIN)]
    paths = {
        ("provider", "invoice_id"): [{"provider": "stripe", "invoice_id": invoice} for invoice in invoices],
        ("simulation_id",): [{"simulation_id": id} for id in ids],
        ("fingerprint",): [{"fingerprint": CARD["fingerprint"]}],
        ("provider",): [{"provider": "braintree" if operation.method == "GET" else "stripe"}],
    }
    queries = {
        "GET /webhooks/{provider}": [{"bt_challenge": CHALLENGE}],
        "GET /v1/recoveries": [await second_page(harness, "/v1/recoveries", key)],
        "GET /v1/credentials/{fingerprint}": [{"provider": "stripe"}],
        "GET /v1/summary": [{"from": format_timestamp(NOW - timedelta(days=1)), "to": LATER}],
        "GET /v1/simulations": [await second_page(harness, "/v1/simulations", key)],
    }
    bodies: dict[str, list[dict[str, Any]]] = {
        "POST /webhooks/{provider}": events,
        "POST /v1/simulations": [{"policy": SHIPPED}, {"policy": SHIPPED, "source": "history", "seed": 7}],
        "POST /v1/codec/decode": payloads,
    }
    name, parameters = operation.name, tuple(operation.parameters("path"))
    headers = [{"X-Namespace": "default"}] if "X-Namespace" in operation.parameters("header") else []
    return Known(paths.get(parameters, ()), queries.get(name, ()), headers, bodies.get(name, ()))


async def create_keys(harness: ApiHarness, *scopes: str) -> list[dict[str, str]]:
    """So many keys that none reaches the limit of its open dry runs or of its retries."""
    return [await harness.create_key(*scopes, name=unique_id("schema")) for _ in range(20)]


async def keys_without_scope(harness: ApiHarness) -> list[dict[str, str]]:
    """A key that opens nothing, and a wrong one."""
    return [await harness.create_key(name=unique_id("schema")), {"Authorization": "Bearer wrong"}]


@pytest.mark.parametrize("operation", list_operations(), ids=lambda operation: operation.name)
async def test_every_answer_is_described(service: tuple[ApiHarness, str], operation: Operation) -> None:
    harness, address = service
    keys = await create_keys(harness, *Scope)
    known, cases = await seed_known(harness, operation, keys[0]), SchemaCases(address, operation.name, keys)
    accepted, rejected = (not_a_server_error, positive_data_acceptance), (not_a_server_error, negative_data_rejection)

    handled = await cases.send(cases.valid(known), 130, *accepted)
    harness.recoveries.answer = ACCEPTED
    more = [
        await cases.send(cases.invalid(known), 60, *rejected),
        await cases.send(cases.valid(known), 10, *accepted),
        await cases.send(cases.valid_beside(known), 40, not_a_server_error),
        await replace(cases, keys=await keys_without_scope(harness)).send(cases.valid(known), 10, not_a_server_error),
    ]
    harness.recoveries.error = TEMPORAL_AWAY
    more.append(await cases.send(cases.valid(known), 10))
    harness.recoveries.error = None
    await harness.wait_until_idle()

    problems = sorted(set().union(handled.problems, *(one.problems for one in more)))
    assert not problems, "\n\n".join(problems[:MOST_SHOWN])
    assert more[0].statuses or not operation.described.get("requestBody")
    assert handled.share_of_success >= LEAST_SHARE, handled.statuses


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        (Response(status_code=418), "Undocumented status code"),
        (Response(status_code=500), "Server error"),
        (PlainTextResponse("hello"), "Undocumented Content-Type"),
        (JSONResponse({"currencies": "many"}), "Response violates schema"),
        (Response(status_code=422), "Schema-valid request rejected"),
    ],
)
async def test_an_answer_beside_the_description_is_found(planted: Response, name: str) -> None:
    checks = (not_a_server_error, positive_data_acceptance)
    async with run_server(FastAPI(routes=[Mount("/", planted)])) as address:
        cases = SchemaCases(address, "GET /v1/summary", [{}])
        problems = (await cases.send(cases.valid(Known()), 3, *checks)).problems
    assert any(problem.startswith(name) for problem in problems), problems
