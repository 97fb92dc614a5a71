"""The ledger of one card: tries used and left, and what forbids every further one."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.events import Event, EventType
from core.recovery.machine import fold_records
from core.recovery.state import Recovery
from db.repositories import event_log
from db.session import Database
from tests.api.harness import ALL_SCOPES, ApiHarness, app_now, build_app, open_harness
from tests.db.recovery_events import LATER, blank_recovery, event_of, failed_event
from tests.intake.fakes import FakeRecoveries


def credential_path(fingerprint: str) -> str:
    return f"/v1/credentials/{quote(fingerprint, safe='')}"


async def add_declined_recovery(
    harness: ApiHarness, invoice: str, fingerprint: str, at: datetime, **failure: Any
) -> None:
    """Stores a recovery that a declined attempt of the provider opened."""
    card = {"fingerprint": fingerprint, "network": "mastercard"}
    failure_fields = {"code": "generic_decline", "network_code": "51"} | failure
    rows = [
        failed_event(at, event_id=f"evt_{invoice}"),
        event_of(
            EventType.FAILURE_CLASSIFIED,
            card=card,
            failure=failure_fields,
            network_fee={"amount": 50, "currency": "usd"},
        ),
    ]
    async with harness.db.begin() as session:
        await event_log.append_to_log(session, blank_recovery(invoice), rows, at)


async def test_credential_usage_adds_up_over_invoices(harness: ApiHarness) -> None:
    start = app_now() - timedelta(hours=2)
    for number in range(3):
        await add_declined_recovery(harness, f"in_cred_{number}", "fp_three", start + timedelta(minutes=number))
    body = (await harness.client.get(credential_path("fp_three"), headers=ALL_SCOPES)).json()
    day = next(rule for rule in body["rules"] if rule["name"] == "mastercard_24h")
    assert (day["allowed"], day["used"], day["left"]) == (10, 3, 7)
    assert (day["window_seconds"], day["frees_up_at"]) == (86400, None)
    assert (body["allowed"], body["never_again"], body["network"]) == (True, None, "mastercard")
    assert [attempt["invoice_id"] for attempt in body["attempts"]] == ["in_cred_2", "in_cred_1", "in_cred_0"]
    newest = body["attempts"][0]
    assert (newest["trigger"], newest["outcome"], newest["network_code"]) == ("provider", "declined", "51")
    assert (newest["amount"], newest["currency"]) == (500, "EUR")
    assert body["fees"] == [{"currency": "USD", "caused": 150, "avoided": 0}]


async def test_a_full_window_says_when_it_frees_up(harness: ApiHarness) -> None:
    start = app_now() - timedelta(hours=2)
    for number in range(10):
        await add_declined_recovery(harness, f"in_full_{number}", "fp_full", start + timedelta(minutes=number))
    body = (await harness.client.get(credential_path("fp_full"), headers=ALL_SCOPES)).json()
    day = next(rule for rule in body["rules"] if rule["name"] == "mastercard_24h")
    assert (body["allowed"], day["used"], day["left"]) == (False, 10, 0)
    assert datetime.fromisoformat(day["frees_up_at"]) == start + timedelta(days=1)


async def test_an_answer_can_forbid_every_further_try(harness: ApiHarness) -> None:
    await add_declined_recovery(harness, "in_never", "fp_never", app_now() - timedelta(days=3), network_advice="03")
    body = (await harness.client.get(credential_path("fp_never"), headers=ALL_SCOPES)).json()
    assert body["never_again"]
    assert not body["allowed"]


async def test_a_fingerprint_may_hold_anything(harness: ApiHarness) -> None:
    await add_declined_recovery(harness, "in_odd", "fp/a b%2F+é", app_now() - timedelta(hours=1))
    answer = await harness.client.get(credential_path("fp/a b%2F+é"), headers=ALL_SCOPES)
    assert answer.status_code == 200
    assert answer.json()["fingerprint"] == "fp/a b%2F+é"


async def test_unused_credential_is_404(harness: ApiHarness) -> None:
    await add_declined_recovery(harness, "in_known", "fp_known", app_now() - timedelta(hours=1))
    for unknown in (
        credential_path("fp_nobody"),
        f"{credential_path('fp_known')}?provider=other",
        "/v1/credentials/a%00b",
    ):
        answer = await harness.client.get(unknown, headers=ALL_SCOPES)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["content-type"] == "application/problem+json"
    assert (
        await harness.client.get(f"{credential_path('fp_known')}?provider=stripe", headers=ALL_SCOPES)
    ).status_code == 200


async def test_credential_route_needs_the_read_scope(harness: ApiHarness) -> None:
    assert (await harness.client.get(credential_path("fp_known"))).status_code == 401
    writer = await harness.create_key("recoveries:write")
    assert (await harness.client.get(credential_path("fp_known"), headers=writer)).status_code == 403


async def test_credential_route_is_in_the_openapi_document(harness: ApiHarness) -> None:
    described = (await harness.client.get("/openapi.json")).json()["paths"]["/v1/credentials/{fingerprint}"]["get"]
    assert {"200", "401", "403", "404"} <= described["responses"].keys()
    assert {parameter["name"] for parameter in described["parameters"]} == {"fingerprint", "provider"}


async def append_events(harness: ApiHarness, recovery: Recovery, *events: Event) -> Recovery:
    async with harness.db.begin() as session:
        return fold_records(recovery, await event_log.append_to_log(session, recovery, events, app_now()))


async def test_own_charges_and_withheld_tries_are_shown(harness: ApiHarness) -> None:
    card = {"fingerprint": "fp_own", "network": "visa"}
    start = app_now() - timedelta(hours=3)
    recovery = await append_events(
        harness,
        blank_recovery("in_own"),
        failed_event(start),
        event_of(EventType.FAILURE_CLASSIFIED, card=card),
        event_of(EventType.RETRY_PLANNED),
    )
    requested = event_of(EventType.CHARGE_REQUESTED, **card).model_copy(
        update={"attempt": 1, "occurred_at": start + timedelta(hours=1)}
    )
    refused = event_of(EventType.CHARGE_DECLINED, failure={"network_code": "51"}).model_copy(update={"attempt": 1})
    fee = {"amount": 10, "currency": "USD"}
    skipped = event_of(
        EventType.RETRY_SKIPPED, action="postpone", reason="network_limit", at=LATER, network=card | {"fee": fee}
    ).model_copy(update={"occurred_at": start + timedelta(hours=2)})
    await append_events(harness, await append_events(harness, recovery, requested), refused, skipped)

    body = (await harness.client.get(credential_path("fp_own"), headers=ALL_SCOPES)).json()
    attempts = [(attempt["trigger"], attempt["outcome"], attempt["network_code"]) for attempt in body["attempts"]]
    assert attempts == [("scheduled", "held", None), ("scheduled", "declined", "51"), ("provider", "declined", None)]
    (month,) = body["rules"]
    assert (month["name"], month["used"], month["left"]) == ("visa_30d", 2, 18)
    assert body["fees"] == [{"currency": "USD", "caused": 0, "avoided": 10}]


async def test_a_limit_per_amount_counts_the_newest_amount(harness: ApiHarness) -> None:
    """Mastercard's day counts every amount, its month one."""
    start = app_now() - timedelta(hours=2)
    for number, amount in enumerate((700, 700, 500)):
        events = [
            failed_event(start + timedelta(minutes=number), amount=amount),
            event_of(EventType.FAILURE_CLASSIFIED, card={"fingerprint": "fp_sums", "network": "mastercard"}),
        ]
        await append_events(harness, blank_recovery(f"in_sums_{number}"), *events)
    body = (await harness.client.get(credential_path("fp_sums"), headers=ALL_SCOPES)).json()
    assert (body["amount"], body["currency"]) == (500, "EUR")
    rules = {rule["name"]: (rule["used"], rule["left"], rule["per_amount"]) for rule in body["rules"]}
    assert rules == {"mastercard_24h": (3, 7, False), "mastercard_30d": (1, 34, True)}


async def test_invalid_policy_is_a_problem_with_its_reason(
    database: Database, recoveries: FakeRecoveries, tmp_path: Path
) -> None:
    """A merchant may have lowered the limits: to show the network's own instead would promise too much."""
    broken = tmp_path / "policies.toml"
    broken.write_text("format = 2\n")
    async with open_harness(build_app(database, recoveries, policy_file=broken), database, recoveries) as harness:
        await add_declined_recovery(harness, "in_policy", "fp_policy", app_now() - timedelta(hours=1))
        answer = await harness.client.get(credential_path("fp_policy"), headers=ALL_SCOPES)
    assert (answer.status_code, answer.json()["code"]) == (503, "policy_invalid")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "policies.toml" in answer.json()["detail"]
