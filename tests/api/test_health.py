"""Health probes and metrics, and what they cost."""

import asyncio
import time

import pytest
from pydantic import SecretStr

from api.health import ReadinessCheck, TableGauges
from core.errors import EngineUnavailable
from db.session import Database
from tests.api.harness import ALL_SCOPES, ApiHarness, build_app, failed_event, open_harness
from tests.intake.fakes import TEMPORAL_AWAY, FakeRecoveries, canceled_event, failure_event, store_recovery, unique_id


async def passing_check() -> str | None:
    """A check that passes."""
    return None


async def hanging_check() -> str | None:
    """A check that never answers."""
    await asyncio.sleep(60)
    return None


async def failing_check() -> str | None:
    """A check that fails with a reason."""
    return "missing: Segment"


async def raising_check() -> str | None:
    """A check that raises."""
    raise EngineUnavailable("Temporal cannot be reached")


async def test_readiness_with_all_dependencies(
    harness: ApiHarness, database: Database, recoveries: FakeRecoveries
) -> None:
    answer = await harness.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {
        "database": {"ok": True, "detail": None},
        "migrations": {"ok": True, "detail": None},
    }
    checks = [
        ReadinessCheck("temporal", passing_check),
        ReadinessCheck("search_attributes", failing_check, required=False),
    ]
    async with open_harness(build_app(database, recoveries, checks), database, recoveries) as other:
        answer = await other.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["checks"]["search_attributes"] == {"ok": False, "detail": "missing: Segment"}


@pytest.mark.quiet
async def test_failed_readiness_names_its_reason_quickly(recoveries: FakeRecoveries) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    checks = [ReadinessCheck("slow", hanging_check), ReadinessCheck("temporal", raising_check)]
    async with open_harness(build_app(database, recoveries, checks), database, recoveries) as harness:
        started_at = time.perf_counter()
        answer = await harness.client.get("/readyz")
        seconds = time.perf_counter() - started_at
        assert (await harness.client.get("/healthz")).status_code == 200
    await database.close()
    results = answer.json()["checks"]
    assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
    assert {name: check["ok"] for name, check in results.items()} == dict.fromkeys(results, False)
    assert results["slow"]["detail"] == "no answer within a second"
    assert results["temporal"]["detail"] == "Temporal cannot be reached"
    assert seconds < 2


async def test_metrics_show_counted_requests(harness: ApiHarness) -> None:
    await store_recovery(harness.db, failure_event(unique_id("in")), canceled_event())
    await harness.send_event(failed_event(unique_id("in")))
    harness.recoveries.error = TEMPORAL_AWAY
    await harness.send_event(failed_event(unique_id("in")))
    await harness.post_webhook(b"{}", {})
    await harness.client.post("/webhooks/nobody", content=b"{}")
    text = (await harness.client.get("/metrics", headers=ALL_SCOPES)).text
    assert 'pri_webhooks_total{provider="stripe",status="accepted"} 2.0' in text
    assert 'pri_webhooks_total{provider="stripe",status="invalid"} 1.0' in text
    assert 'pri_webhooks_total{provider="unknown",status="not_found"} 1.0' in text
    assert "pri_inbox_undelivered 1.0" in text
    assert 'pri_recoveries{state="canceled"} 1.0' in text
    assert 'pri_recoveries{state="charging"} 0.0' in text
    assert 'route="/webhooks/{provider}",status="202"' in text


async def test_ids_never_become_metrics(harness: ApiHarness) -> None:
    await harness.client.get("/v1/recoveries/stripe/in_secret_17")
    await harness.client.get("/no/such/path/in_secret_17")
    await harness.client.request("BREW", "/healthz")
    text = (await harness.client.get("/metrics", headers=ALL_SCOPES)).text
    assert "in_secret_17" not in text
    assert "BREW" not in text
    assert 'route="/v1/recoveries/{provider}/{invoice_id}"' in text


async def test_gauges_without_a_database_are_nan(recoveries: FakeRecoveries) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    async with open_harness(build_app(database, recoveries), database, recoveries) as harness:
        text = (await harness.client.get("/metrics", headers=ALL_SCOPES)).text
    await database.close()
    assert "pri_inbox_undelivered NaN" in text


async def test_metrics_need_a_key(harness: ApiHarness) -> None:
    answer = await harness.client.get("/metrics")
    assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (
        401, "unauthorized", 'Bearer realm="pri"',
    )  # fmt: skip
    assert "pri_" not in answer.text
    for scope, status in (("metrics:read", 200), ("recoveries:read", 403)):
        key = await harness.create_key(scope)
        assert (await harness.client.get("/metrics", headers=key)).status_code == status


async def test_metrics_key_opens_metrics_alone_and_without_a_database(recoveries: FakeRecoveries) -> None:
    database, secret = Database("postgresql://nobody@127.0.0.1:1/none"), "m" * 32
    app = build_app(database, recoveries, metrics_key=SecretStr(secret))
    async with open_harness(app, database, recoveries) as harness:
        right, wrong = ({"Authorization": f"Bearer {text}"} for text in (secret, "m" * 31))
        assert "pri_inbox_undelivered NaN" in (await harness.client.get("/metrics", headers=right)).text
        assert (await harness.client.get("/metrics", headers=wrong)).status_code == 503
        assert (await harness.client.get("/v1/recoveries", headers=right)).status_code == 503
    await database.close()


async def test_an_unset_metrics_key_opens_nothing(harness: ApiHarness) -> None:
    for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        assert (await harness.client.get("/metrics", headers=headers)).status_code == 401


async def test_consecutive_scrapes_query_the_database_once(harness: ApiHarness) -> None:
    counts = TableGauges()
    await counts.refresh_gauges(harness.app.state.parts)
    await harness.send_event(failed_event(unique_id("in")))
    harness.app.state.parts.metrics.undelivered.set(77)
    await counts.refresh_gauges(harness.app.state.parts)
    assert b"pri_inbox_undelivered 77.0" in harness.app.state.parts.metrics.render_text()
