"""What must be true of a world that has come to rest, by the provider's own books and the tables."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.deterministic.world import START, World
from tests.faults.rounds import checker
from tests.faults.rounds.evidence import Evidence, InboxRow, KeyLifetime, PayCall

FINAL_STATES: Final = checker.FINAL_STATES
CANCEL_SECONDS: Final = 1_200.0
"""After this time a cancel that the API took is in force; the longest outage of a scenario takes 400 seconds."""
SHARED_CHECKS: Final = ("I1", "I2", "I3", "I4", "I5", "I7", "due")
"""Those of the fault rounds. I6 is checked here, since a world's networks have limits of their own."""


def find_violations(world: World, came_to_rest: bool) -> list[str]:
    """Every breach, as `invariant subject: what`."""
    found = [f"code: {problem}" for problem in (*world.server.problems, *world.loop.problems)]
    if not came_to_rest or not world.is_at_rest():
        found.append(
            f"rest: after {world.loop.time() / 86_400:.0f} days and {world.loop.steps} steps something is left"
        )
    evidence = collect_evidence(world)
    for name in SHARED_CHECKS:
        finding = checker.CHECKS[name](evidence)
        found += [f"{one.invariant} {one.subject}: {one.what}" for one in finding.violations]
    found += [f"I6 {what}" for what in find_excess_attempts(world)]
    found += [f"read {what}" for what in world.provider.forbidden]
    found += [f"truth {what}" for what in find_untrue_rows(world, evidence)]
    found += [f"cancel {what}" for what in find_unheard_cancels(world, evidence)]
    found += [f"halted {what}" for what in find_halted_charges(evidence)]
    return found


def collect_evidence(world: World) -> Evidence:
    """The world as the checker of the fault rounds reads it."""
    tables, name = world.database.tables, world.scenario.provider.name
    rows = tuple(row | {"recovery_id": key} for key, rows in tables.event_log.items() for row in rows)
    inbox = tuple(
        InboxRow(row["event_id"], row["outcome"] and str(row["outcome"]), row["reason"], row["recovery_id"])
        for row in tables.inbox.values()
    )
    assert all(row["provider"] == name for row in rows)
    return Evidence(
        pay_calls=tuple(world.provider.pay_calls),
        charges=tuple(world.provider.charges),
        rows=rows,
        inbox=inbox,
        accepted=tuple(world.accepted),
        running=frozenset(key for key, run in world.server.runs.items() if run.status == "open"),
        key_lifetime=KeyLifetime(world.provider.key_age.total_seconds()),
        read_at=world.now().timestamp(),
    )


def find_excess_attempts(world: World) -> Iterator[str]:
    """Attempts that reached the network beyond its limits: each window that ends with one is counted."""
    attempts: dict[str, PayCall] = {}
    for call in world.provider.pay_calls:
        if call.status in {200, 402} and not call.replayed:
            attempts.setdefault(f"{call.invoice} {call.key}", call)
    for call in attempts.values():
        for days, allowed in zip((1, 30), world.scenario.limits, strict=True):
            since = call.wall - days * 86_400.0
            used = sum(
                other.status == 402 and other.card == call.card and since < other.wall < call.wall
                for other in attempts.values()
            )
            if call.network == "visa" and used >= allowed:
                yield f"{call.invoice}: {call.key} is try {used + 1} of {allowed} in {days} d"


def find_untrue_rows(world: World, evidence: Evidence) -> Iterator[str]:
    """Rows that say something else of a charge than the provider's books, and money that no row tells of."""
    told: dict[tuple[str, str], str] = {}
    for rows in evidence.rows_by_recovery().values():
        keys = {row["attempt"]: row["data"]["idempotency_key"] for row in rows if row["type"] == "charge.requested"}
        for row in rows:
            if row["type"] in checker.ANSWERS and row["attempt"] in keys:
                outcome = row["data"].get("outcome") or row["type"].removeprefix("charge.")
                told[row["invoice_id"], keys[row["attempt"]]] = outcome
        state, invoice = rows[-1]["to_state"], rows[0]["invoice_id"]
        paid = [charge for charge in evidence.charges if charge.invoice == invoice]
        if state == "recovered" and not paid:
            yield f"{invoice}: recovered, and nobody paid"
        if paid and state != "recovered" and not any(row["type"] in _MONEY_ROWS for row in rows):
            yield f"{invoice}: paid, ended {state}, and no row tells of the money"
    yield from _compare_with_books(world, evidence, told)


def _compare_with_books(world: World, evidence: Evidence, told: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for (invoice, key), executed in world.provider.results.items():
        said = told.get((invoice, key))
        if executed.result and executed.result.outcome == "succeeded" and said not in {None, "succeeded"}:
            reached = _is_late_money(evidence, invoice)
            if not (said == "not_charged" and reached):
                yield f"{invoice}: {key} was charged, and the log says {said}"
        if executed.result and executed.result.outcome == "declined" and said == "succeeded":
            paid_by_others = any(c.invoice == invoice and c.origin != "api" for c in evidence.charges)
            if not paid_by_others:
                yield f"{invoice}: {key} was declined, and the log says {said}"


_MONEY_ROWS: Final = frozenset({"charge.succeeded", "invoice.paid_elsewhere", "payment.late"})


def _is_late_money(evidence: Evidence, invoice: str) -> bool:
    return any(row["invoice_id"] == invoice and row["type"] in _MONEY_ROWS for row in evidence.rows)


def find_unheard_cancels(world: World, evidence: Evidence) -> Iterator[str]:
    """Charges that were requested long after the API took a cancel, and cancels that no row shows."""
    for request, (action, taken_at) in world.commands.items():
        name, since = world.invoices[action.invoice], START.timestamp() + taken_at
        rows = [row for row in evidence.rows if row["invoice_id"] == name]
        heard = any(row["data"].get("request_id") == request for row in rows)
        if action.kind == "cancel" and not heard and not any(row["to_state"] in FINAL_STATES for row in rows):
            yield f"{name}: {request} is in no row"
        late = [
            row
            for row in rows
            if row["type"] == "charge.requested" and row["recorded_at"].timestamp() > since + CANCEL_SECONDS
        ]
        refused = any(row["data"].get("request_id") == request and row["data"].get("refused") for row in rows)
        if action.kind == "cancel" and late and not refused:
            yield f"{name}: attempt {late[0]['attempt']} was requested after {request}"


def find_halted_charges(evidence: Evidence) -> Iterator[str]:
    """Charges that were requested although the log said already that the recovery is paused, or to be canceled."""
    for rows in evidence.rows_by_recovery().values():
        halted: str | None = None
        for row in rows:
            if row["type"] in _HALTS and not row["data"].get("refused") and halted != "operator.cancel_requested":
                halted = _HALTS[row["type"]]
            if row["type"] == "charge.requested" and halted:
                yield f"{row['invoice_id']}: attempt {row['attempt']} was requested behind {halted}"


_HALTS: Final[Mapping[str, str | None]] = {
    "operator.cancel_requested": "operator.cancel_requested",
    "operator.paused": "operator.paused",
    "operator.resumed": None,
}
"""Rows of commands, and what holds from then on."""
