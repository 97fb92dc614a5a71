"""`pri policy`, `pri experiments`, and rederived decisions."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.classification.taxonomy import Cause
from core.events import Event, EventType, format_timestamp
from db.repositories import event_log
from db.session import Database
from settings import SHIPPED_POLICY
from tests.commands.conftest import Pri
from tests.db.conftest import Addresses
from tests.db.recovery_events import NOW, blank_recovery, event_of, failed_event
from tests.support.recovery_scenario import NEW_RECOVERY, RecoveryScenario


async def write_shadow_plan(addresses: Addresses) -> None:
    """Stores a decision with a shadow plan beside it."""
    database, now = Database(addresses.writer), datetime.now(UTC)
    plan = event_of(EventType.RETRY_PLANNED, at=format_timestamp(now), policy_version="active")
    other = {
        "at": format_timestamp(now - timedelta(hours=2)),
        "policy_version": "other",
        "agrees": False,
        "action": "retry",
    }
    async with database.begin() as session:
        await event_log.append_to_log(
            session,
            blank_recovery("in_shadow"),
            [failed_event(), plan, event_of(EventType.SHADOW_PLANNED, **other)],
            now,
        )
    await database.close()


def test_shadow_plans_are_compared_with_decisions(pri: Pri, addresses: Addresses) -> None:
    settings = {"DATABASE_URL": addresses.writer}
    assert "SHADOW_POLICY_FILE" in pri("policy", "shadow", **settings).out
    asyncio.run(write_shadow_plan(addresses))
    answer = pri("policy", "shadow", **settings)
    assert "other: agrees with 0.0% of 1 decisions" in answer.out
    assert "median 2 h" in answer.out
    (comparison,) = json.loads(pri("policy", "shadow", "--json", **settings).out)["comparisons"]
    assert (comparison["plans"], comparison["median_seconds"]) == (1, -7200)


def test_shipped_policy_passes_the_check(pri: Pri) -> None:
    answer = pri("policy", "check", str(SHIPPED_POLICY))
    assert (answer.code, answer.err) == (0, "")
    assert "valid, version " in answer.out


def test_policy_mistake_is_one_line_with_its_place(pri: Pri, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(SHIPPED_POLICY.read_text().replace("review_at = 40", "review_at = 400"))
    assert "p.toml:" in (complaint := pri("policy", "check", str(file)).error_line())
    assert "fraud.review_at" in complaint
    assert "nowhere.toml" in pri("policy", "check", str(tmp_path / "nowhere.toml")).error_line()


def test_suspicious_policy_is_a_warning(pri: Pri, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    text = SHIPPED_POLICY.read_text().replace('# scorer = "NAME"', 'scorer = "acme"')
    file.write_text(
        text.replace("[overrides]", '[overrides]\n"stripe.no_such_code" = "GENERIC"\n"visa.1A" = "GENERIC"')
    )
    answer = pri("policy", "check", str(file))
    assert answer.code == 0
    first, second = answer.err.splitlines()
    assert "overrides.stripe.no_such_code" in first
    assert "'acme' is not installed" in second


def test_policy_show_prints_the_parsed_policy(pri: Pri) -> None:
    document = json.loads(pri("policy", "show").out)
    assert [segment["name"] for segment in document["segments"]] == ["high_value", "new_customer", "loyal", "default"]
    assert document["fraud"]["scores"]["burst"] == 10
    assert {segment["campaign"] for segment in document["segments"]} == {"default"}


def test_recorded_decision_is_rederived(pri: Pri, addresses: Addresses) -> None:
    scenario = RecoveryScenario().fail_payment(Cause.GENERIC)

    async def write_decision() -> None:
        database = Database(addresses.writer)
        async with database.begin() as session:
            await event_log.append_to_log(
                session,
                NEW_RECOVERY,
                [Event(**row.model_dump(include=set(Event.model_fields))) for row in scenario.records],
                NOW,
            )
        await database.close()

    asyncio.run(write_decision())
    name, settings = NEW_RECOVERY.recovery_id, {"DATABASE_URL": addresses.writer}
    expected = {
        row.type: json.loads(pri("explain", name, str(row.sequence), "--json", **settings).out)
        for row in scenario.records
    }
    assert expected[EventType.RETRY_PLANNED]["agrees"] is True
    assert expected[EventType.FRAUD_ASSESSED]["agrees"] is True
    assert expected[EventType.PAYMENT_FAILED]["agrees"] is None
    assert "agrees" in pri("explain", name, "5", **settings).out
    assert "no row 99" in pri("explain", name, "99", **settings).error_line()


def test_wrong_usage_is_a_usage_error(pri: Pri) -> None:
    for words in ((), ("recovery-x",), ("--provider", "stripe")):
        assert pri("explain", *words).code == 2


def test_experiments_side_by_side(pri: Pri, addresses: Addresses) -> None:
    settings = {"DATABASE_URL": addresses.writer}
    assert "no recovery is part" in pri("experiments", **settings).out

    async def write_recoveries() -> None:
        database = Database(addresses.writer)
        for number, arm in enumerate(("holdout", "patient")):
            rows = [event_of(EventType.CUSTOMER_SEGMENTED, experiment="p", arm=arm), event_of(EventType.PAID_ELSEWHERE)]
            opened = [failed_event(event_id=f"evt_exp_{number}")]
            async with database.begin() as session:
                await event_log.append_to_log(session, blank_recovery(f"in_exp_{number}"), [*opened, *rows], NOW)
        await database.close()

    asyncio.run(write_recoveries())
    document = json.loads(pri("experiments", "--days", "3650", "--json", **settings).out)
    assert [row["arm"] for row in document["EUR"]] == ["holdout", "patient"]
    output = pri("experiments", "--days", "3650", **settings).out
    (patient,) = [line for line in output.splitlines() if "patient" in line]
    assert "5.00 EUR" in patient
    assert "100.0%" in patient
