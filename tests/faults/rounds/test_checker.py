"""The checker reports each planted violation under its invariant, and nothing in a valid world."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from db import chain
from tests.faults.rounds.checker import CHECKS, check_evidence
from tests.faults.rounds.evidence import Charge, Evidence, InboxRow, KeyLifetime, PayCall, Row
from tests.faults.rounds.hash_chain import FIRST_PREVIOUS_HASH, row_hash

BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
RECOVERY, INVOICE = "recovery-stripe-in_1", "in_1"
Change = Callable[[Evidence], Evidence]


def link_rows(rows: list[dict[str, Any]]) -> tuple[Row, ...]:
    """The rows as one chain."""
    before = FIRST_PREVIOUS_HASH
    for row in rows:
        row["previous_hash"] = before
        row["hash"] = before = row_hash(row)
    return tuple(rows)


def a_row(sequence: int, kind: str, state: str, attempt: int | None = None, /, **data: Any) -> dict[str, Any]:
    """A row recorded as many seconds after BEGAN as its sequence says."""
    moment = BEGAN + timedelta(seconds=sequence)
    return {
        "recovery_id": RECOVERY, "sequence": sequence, "event_id": UUID(int=sequence), "type": kind,
        "occurred_at": moment, "recorded_at": moment, "provider": "stripe", "invoice_id": INVOICE,
        "customer_id": "cus_1", "attempt": attempt, "from_state": None, "to_state": state, "data": data,
        "opened_on": date(2026, 11, 1),
    }  # fmt: skip


def a_call(sequence: int, key: str | None, after: float, status: int | None, **changes: Any) -> PayCall:
    """A pay call this many seconds after BEGAN."""
    wall = (BEGAN + timedelta(seconds=after)).timestamp()
    return replace(PayCall(sequence, INVOICE, key, wall, status, False, "card_1", "mastercard", 2000), **changes)


def valid_rows() -> list[dict[str, Any]]:
    """Declined, then lost on the way and reconciled."""
    return [
        a_row(1, "payment.failed", "received"),
        a_row(2, "retry.planned", "waiting"),
        a_row(3, "charge.requested", "charging", 1, idempotency_key="key_1"),
        a_row(4, "charge.declined", "waiting", 1),
        a_row(5, "notification.sent", "waiting", step="payment_failed", channel="email"),
        a_row(6, "charge.requested", "charging", 2, idempotency_key="key_2"),
        a_row(7, "charge.unknown", "charging", 2, reason="timeout"),
        a_row(8, "charge.reconciled", "recovered", 2, outcome="succeeded"),
        a_row(9, "recovery.closed", "recovered", state="recovered", reason="charged"),
    ]


def valid_world() -> Evidence:
    """One invoice that was recovered by its second attempt, whose first answer got lost."""
    return Evidence(
        pay_calls=(a_call(1, "key_1", 3.2, 402), a_call(2, "key_2", 6.2, 0), a_call(3, "key_2", 7.5, 200)),
        charges=(Charge(INVOICE, "ch_1", "pay_call"), Charge(INVOICE, "ch_0", "part")),
        rows=link_rows(valid_rows()),
        inbox=(InboxRow("evt_1", "accepted", None, RECOVERY), InboxRow("evt_2", "ignored", "not ours", None)),
        accepted=("evt_1", "evt_2"),
        mails=("<one@x>", "<two@x>"),
    )


def change_rows(change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    """A world with other rows, whose chain is valid."""

    def plant(world: Evidence) -> Evidence:
        rows = valid_rows()
        change(rows)
        return replace(world, rows=link_rows(rows))

    return plant


def forge_row(number: int, **columns: Any) -> Change:
    """A world in which columns of one row were changed after hashing; `number` counts from 0."""

    def plant(world: Evidence) -> Evidence:
        rows = [dict(row) for row in world.rows]
        rows[number] |= columns
        return replace(world, rows=tuple(rows))

    return plant


def put_row(row: dict[str, Any]) -> Change:
    """A world with this row in the place of the one with its sequence."""
    return change_rows(lambda rows: rows.__setitem__(row["sequence"] - 1, row))


def add_charge(charge: Charge) -> Change:
    """A world with one more entry in the ledger."""
    return lambda world: replace(world, charges=(*world.charges, charge))


def add_webhook(row: InboxRow) -> Change:
    """A world with one more stored webhook."""
    return lambda world: replace(world, inbox=(*world.inbox, row))


def add_call(call: PayCall) -> Change:
    """A world with one more pay call."""
    return lambda world: replace(world, pay_calls=(*world.pay_calls, call))


def sleeping_world(world: Evidence) -> Evidence:
    """The recovery waits for a retry 60 seconds after BEGAN."""
    row = a_row(2, "retry.planned", "waiting", at="2026-11-01T12:01:00Z")
    rows = link_rows([*valid_rows()[:1], row])
    return replace(world, rows=rows, pay_calls=(), running=frozenset({RECOVERY}), read_at=BEGAN.timestamp() + 65)


def decline_eleven_times(world: Evidence) -> Evidence:
    """Eleven keys of one card within a minute."""
    calls = tuple(a_call(n, f"key_{n}", 3.1 + n, 402) for n in range(1, 12))
    return replace(world, pay_calls=calls)


VIOLATIONS: dict[str, tuple[str, str, Change]] = {
    "charged twice": ("I1", "2 charges", add_charge(Charge(INVOICE, "ch_2", "pay_call"))),
    "paid by us and on the hosted page": ("I1", "2 charges", add_charge(Charge(INVOICE, "ch_2", "hosted"))),
    "accepted and not stored": ("I2", "not stored", lambda world: replace(world, accepted=("evt_9",))),
    "no outcome": ("I2", "has no outcome", add_webhook(InboxRow("evt_3", None, None, None))),
    "ignored without a reason": ("I2", "without a reason", add_webhook(InboxRow("evt_3", "ignored", None, None))),
    "accepted without a row": ("I2", "has no row", add_webhook(InboxRow("evt_3", "accepted", None, "recovery-x"))),
    "open without a run": ("I2", "no run", change_rows(lambda rows: rows.__delitem__(slice(2, None)))),
    "a key that nobody recorded": ("I3", "no charge.requested holds", add_call(a_call(4, "key_9", 7.6, 200))),
    "a run failed": ("I2", "a run of it failed", lambda world: replace(world, failed=frozenset({RECOVERY}))),
    "a forgotten key": ("I3", "which the gateway has forgotten", add_call(a_call(4, "key_2", 86_407, 200))),
    "a key of a shorter life": (
        "I3", "which the gateway has forgotten",
        lambda world: replace(world, key_lifetime=KeyLifetime(1.0, (BEGAN + timedelta(seconds=7)).timestamp()))),
    "no key": ("I3", "no charge.requested holds", add_call(a_call(4, None, 7.6, 200))),
    "another invoice's key": ("I3", "no charge.requested", add_call(a_call(4, "key_2", 7.6, 200, invoice="in_2"))),
    "called before it was recorded": ("I3", "before its charge.requested", add_call(a_call(4, "key_2", 5.9, 200))),
    "no answer": ("I3", "attempt 1 has no answer", put_row(a_row(4, "retry.planned", "waiting"))),
    "two answers": ("I3", "attempt 1 has 2 answers", put_row(a_row(5, "charge.declined", "waiting", 1))),
    "requested twice": (
        "I3", "requested twice", put_row(a_row(5, "charge.requested", "charging", 1, idempotency_key="key_3"))),
    "an answer that nobody asked for": ("I3", "nobody requested", put_row(a_row(5, "charge.declined", "waiting", 3))),
    "unknown and never reconciled": (
        "I3", "never reconciled", put_row(a_row(8, "charge.succeeded", "recovered", 2))),
    "a gap": ("I4", "where 5 is due", change_rows(lambda rows: rows.__delitem__(4))),
    "the first row is missing": ("I4", "where 1 is due", change_rows(lambda rows: rows.__delitem__(0))),
    "changed content": ("I4", "not what was hashed", forge_row(3, data={"reason": "forged"})),
    "a changed time": ("I4", "not what was hashed", forge_row(3, occurred_at=BEGAN)),
    "another hash": ("I4", "not what was hashed", forge_row(8, hash=bytes(32))),
    "a link to another row": ("I4", "does not follow", forge_row(4, previous_hash=bytes(32))),
    "recorded backwards": (
        "I4", "recorded before", change_rows(lambda rows: rows[4].update(recorded_at=BEGAN + timedelta(seconds=3.9)))),
    "charged after its own success": ("I5", "after charge.reconciled", add_call(a_call(4, "key_2", 8.1, 200))),
    "charged after an end": (
        "I5", "after recovery.closed", put_row(a_row(5, "recovery.closed", "exhausted", state="exhausted"))),
    "charged after a success": ("I5", "after charge.succeeded", put_row(a_row(4, "charge.succeeded", "recovered", 1))),
    "charged after the payment of another": (
        "I5", "after invoice.paid_elsewhere", put_row(a_row(5, "invoice.paid_elsewhere", "waiting"))),
    "charged after a void": (
        "I5", "after invoice.closed_elsewhere", put_row(a_row(5, "invoice.closed_elsewhere", "waiting", why="voided"))),
    "charged after a cancel": (
        "I5", "after operator.cancel", put_row(a_row(5, "operator.cancel_requested", "waiting", actor="ann"))),
    "charged after a dispute": (
        "I5", "after dispute.opened", put_row(a_row(5, "dispute.opened", "waiting", kind="dispute"))),
    "over the network's limit": ("I6", "try 11 of 10", decline_eleven_times),
    "told twice in the log": (
        "I7", "2 rows", put_row(a_row(2, "notification.sent", "waiting", step="payment_failed", channel="email"))),
    "told twice by mail": ("I7", "arrived 2 times", lambda world: replace(world, mails=("<one@x>", "<one@x>"))),
    "still charging": ("due", "still charging", change_rows(lambda rows: rows.__delitem__(slice(6, None)))),
    "overdue": ("due", "which is over", lambda world: replace(sleeping_world(world), read_at=BEGAN.timestamp() + 100)),
}  # fmt: skip


def violations_of(world: Evidence) -> list[tuple[str, str]]:
    """Invariant and description of everything that the checker reports."""
    findings = check_evidence(world).values()
    return [(violation.invariant, violation.what) for finding in findings for violation in finding.violations]


def broken_invariants(world: Evidence) -> set[str]:
    """The invariants that the checker reports."""
    return {invariant for invariant, _ in violations_of(world)}


def test_valid_world_is_clean_and_every_check_looked_at_something() -> None:
    findings = check_evidence(valid_world())
    assert {name: finding.violations for name, finding in findings.items()} == dict.fromkeys(CHECKS, ())
    assert all(finding.examined for finding in findings.values())


@pytest.mark.parametrize("name", VIOLATIONS)
def test_planted_violation_is_reported(name: str) -> None:
    invariant, words, plant = VIOLATIONS[name]
    found = violations_of(plant(valid_world()))
    assert [what for broken, what in found if broken == invariant and words in what], found


def test_every_invariant_has_a_planted_violation() -> None:
    assert {invariant for invariant, _, _ in VIOLATIONS.values()} == set(CHECKS)


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(add_call(a_call(4, "key_2", 9.5, 200, replayed=True)), id="a repeat that the gateway replays"),
        pytest.param(
            put_row(a_row(5, "dispute.opened", "waiting", kind="inquiry")),
            id="a bank's question",
        ),
        pytest.param(
            put_row(a_row(5, "invoice.paid_elsewhere", "waiting", remaining=5)),
            id="a part paid by another",
        ),
        pytest.param(
            change_rows(
                lambda rows: rows.__setitem__(4, a_row(5, "operator.cancel_requested", "waiting", refused="x"))
            ),
            id="a refused cancel",
        ),
        pytest.param(lambda world: replace(world, pay_calls=decline_eleven_times(world).pay_calls[:3]), id="few tries"),
    ],
)
def test_what_is_allowed_is_not_reported(plant: Change) -> None:
    assert broken_invariants(plant(valid_world())) <= {"I3"}, "keys apart, which these worlds don't record"


def test_approval_and_another_amount_free_a_visa_card() -> None:
    tries = [a_call(n, f"key_{n}", 3.1 + n, 402, network="visa") for n in range(1, 22)]
    assert "I6" in broken_invariants(replace(valid_world(), pay_calls=tuple(tries)))
    approved = replace(tries[9], status=200)
    assert "I6" not in broken_invariants(replace(valid_world(), pay_calls=(*tries[:9], approved, *tries[10:])))
    other = [replace(call, amount=call.sequence % 2) for call in tries]
    assert "I6" not in broken_invariants(replace(valid_world(), pay_calls=tuple(other)))


def test_open_recovery_with_a_run_is_clean() -> None:
    assert broken_invariants(sleeping_world(valid_world())) == set()


def test_hash_is_computed_as_the_product_does() -> None:
    row = a_row(
        7, "charge.requested", "charging", 1, text='ü \u2028 "\\ \x1f', numbers=[1, None, True, {"b": 2, "a": 1}]
    )
    row |= {"previous_hash": b"\1" * 32, "occurred_at": datetime(2026, 3, 1, 5, 4, 3, 21, tzinfo=UTC)}
    assert row_hash(row) == chain.link_hash(row["previous_hash"], row)
