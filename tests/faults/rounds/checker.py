"""The invariants I1 to I7 of docs/reliability.md over a round's evidence. Pure, and without any code of the product.

Each check returns how many things it looked at, so that a table shows a check that looked at nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tests.faults.rounds.evidence import Evidence, KeyLifetime, PayCall, Row
from tests.faults.rounds.hash_chain import find_broken_links
from tests.faults.rounds.network_limits import find_excess_calls

FINAL_STATES: Final = frozenset({"recovered", "exhausted", "canceled", "blocked"})
ANSWERS: Final = frozenset({"charge.succeeded", "charge.declined", "charge.reconciled"})
MESSAGES: Final = frozenset({"notification.sent", "notification.failed"})
PLANS: Final = frozenset({"retry.planned", "retry.skipped"})
UNDER_WAY: Final = frozenset({"received", "classified", "segmented", "charging"})
OVERDUE_SECONDS: Final = 10.0
NO_WHOLE_CHARGE: Final = frozenset({"part", "debit"})
"""Origins in the ledger beside which one whole charge may stand."""


@dataclass(frozen=True)
class Violation:
    """One breach of an invariant. `subject` is an invoice, a recovery, a webhook or a mail."""

    invariant: str
    subject: str
    what: str


@dataclass(frozen=True)
class Finding:
    """The result of one check: how many things it looked at, and what is wrong."""

    examined: int
    violations: tuple[Violation, ...]


def check_evidence(evidence: Evidence) -> dict[str, Finding]:
    """The finding of every invariant, by its name."""
    return {name: check(evidence) for name, check in CHECKS.items()}


def check_single_charge(evidence: Evidence) -> Finding:
    """I1: at most one successful charge per invoice in the gateway's ledger."""
    whole = [charge for charge in evidence.charges if charge.origin not in NO_WHOLE_CHARGE]
    counts = Counter(charge.invoice for charge in whole)
    return _finding("I1", len(counts), [(name, f"{count} charges") for name, count in counts.items() if count > 1])


def check_webhooks(evidence: Evidence) -> Finding:
    """I2: every webhook answered with 2xx is stored and has an outcome.

    Every open recovery has a run, and no run has failed. (The relay's may: the next one does its work.)
    """
    stored = {row.event_id: row for row in evidence.inbox}
    wrong = [(event, "answered with 2xx and not stored") for event in evidence.accepted if event not in stored]
    wrong += [(row.event_id, "has no outcome") for row in evidence.inbox if row.outcome is None]
    wrong += [
        (row.event_id, "ignored without a reason")
        for row in evidence.inbox
        if (row.outcome, row.reason) == ("ignored", None)
    ]
    recoveries = evidence.rows_by_recovery()
    named = [row for row in evidence.inbox if row.recovery_id and row.outcome == "accepted"]
    wrong += [(row.event_id, f"{row.recovery_id} has no row") for row in named if row.recovery_id not in recoveries]
    wrong += [
        (name, "open, and no run")
        for name, rows in recoveries.items()
        if _is_open(rows) and name not in evidence.running
    ]
    wrong += [(name, "a run of it failed") for name in sorted(evidence.failed & recoveries.keys())]
    return _finding("I2", len(stored), wrong)


def _is_open(rows: list[Row]) -> bool:
    return rows[-1]["to_state"] not in FINAL_STATES


def check_requests(evidence: Evidence) -> Finding:
    """I3: each pay call's key was recorded before the call, and each requested attempt has exactly one answer.

    No key is used when the gateway has forgotten it.
    """
    wrong: list[tuple[str, str]] = []
    calls = evidence.calls_by_invoice()
    for name, rows in evidence.rows_by_recovery().items():
        wrong += [(name, what) for what in _find_unanswered(rows)]
    requested = _requested_keys(evidence)
    for invoice, made in calls.items():
        wrong += [(invoice, what) for call in made for what in _find_unrecorded(call, requested)]
        wrong += [(invoice, what) for call in made for what in _find_forgotten(call, requested, evidence.key_lifetime)]
    return _finding("I3", len(evidence.pay_calls), wrong)


def _requested_keys(evidence: Evidence) -> dict[tuple[str, str], float]:
    """When each key of each invoice was first recorded, in seconds since 1970."""
    rows = [row for row in evidence.rows if row["type"] == "charge.requested"]
    found: dict[tuple[str, str], float] = {}
    for row in sorted(rows, key=lambda row: str(row["recorded_at"]), reverse=True):
        found[row["invoice_id"], row["data"]["idempotency_key"]] = row["recorded_at"].timestamp()
    return found


def _find_unrecorded(call: PayCall, requested: Mapping[tuple[str, str], float]) -> list[str]:
    recorded = requested.get((call.invoice, call.key or ""))
    if recorded is None:
        return [f"pay call {call.sequence} has the key {call.key}, which no charge.requested holds"]
    if recorded >= call.wall:
        return [f"pay call {call.sequence} came {recorded - call.wall:.6f} s before its charge.requested"]
    return []


def _find_forgotten(call: PayCall, requested: Mapping[tuple[str, str], float], lifetime: KeyLifetime) -> list[str]:
    age = call.wall - requested.get((call.invoice, call.key or ""), call.wall)
    if call.wall > lifetime.since and age > lifetime.seconds:
        return [f"pay call {call.sequence} has a key of {age:.1f} s, which the gateway has forgotten"]
    return []


def _find_unanswered(rows: list[Row]) -> list[str]:
    requested = [row["attempt"] for row in rows if row["type"] == "charge.requested"]
    answers = Counter(row["attempt"] for row in rows if row["type"] in ANSWERS)
    handed_over = {row["attempt"] for row in rows if row["data"].get("reason") == "charge_unknown"}
    unknown = {row["attempt"] for row in rows if row["type"] == "charge.unknown"}
    reconciled = {row["attempt"] for row in rows if row["type"] == "charge.reconciled"}
    wrong = [f"attempt {number} was requested twice" for number, count in Counter(requested).items() if count > 1]
    wrong += [f"attempt {number} has {answers[number]} answers" for number in requested if answers[number] > 1]
    silent = [number for number in requested if not answers[number] and number not in handed_over]
    wrong += [f"attempt {number} has no answer" for number in silent]
    wrong += [f"an answer to attempt {number}, which nobody requested" for number in answers if number not in requested]
    lost = unknown - reconciled - handed_over - set(silent)
    return wrong + [f"attempt {number} was unknown and never reconciled" for number in sorted(lost)]


def check_chains(evidence: Evidence) -> Finding:
    """I4: sequences without gaps, hashes that follow, and `recorded_at` that never runs backwards."""
    wrong = [(name, what) for name, rows in evidence.rows_by_recovery().items() for what in find_broken_links(rows)]
    return _finding("I4", len(evidence.rows), wrong)


def check_ends(evidence: Evidence) -> Finding:
    """I5: no pay call reaches the gateway after a row that ends the collection of its invoice.

    A call that the gateway answered from its stored keys executes nothing and is no attempt.
    """
    wrong, calls = [], evidence.calls_by_invoice()
    for name, rows in evidence.rows_by_recovery().items():
        ends = [row for row in rows if _forbids_charges(row)]
        if ends:
            since = ends[0]["recorded_at"].timestamp()
            late = [call for call in calls.get(rows[0]["invoice_id"], []) if call.wall > since and not call.replayed]
            wrong += [
                (name, f"pay call {call.sequence} {call.wall - since:.3f} s after {ends[0]['type']}") for call in late
            ]
    return _finding("I5", len(evidence.pay_calls), wrong)


def _forbids_charges(row: Row) -> bool:
    data, kind = row["data"], row["type"]
    if kind == "charge.succeeded":
        return not data.get("amount")  # with an amount it was a part, and the rest is owed
    if kind == "charge.reconciled":
        return bool(data.get("outcome") == "succeeded" and not data.get("amount"))
    if kind == "invoice.paid_elsewhere":
        return not data.get("remaining")
    if kind == "operator.cancel_requested":
        return not data.get("refused")
    if kind == "dispute.opened":
        return bool(data.get("kind") != "inquiry")
    return kind in {"invoice.closed_elsewhere", "recovery.closed"}


def check_network_limits(evidence: Evidence) -> Finding:
    """I6: no sliding window over the gateway's log holds more declined attempts of a card than its network allows."""
    return _finding("I6", len(evidence.pay_calls), find_excess_calls(evidence.pay_calls))


def check_messages(evidence: Evidence) -> Finding:
    """I7: a step of a recovery is told at most once per channel: one row in the log, one mail at the server."""
    told = Counter(
        (row["recovery_id"], row["data"]["step"], row["data"]["channel"])
        for row in evidence.rows
        if row["type"] in MESSAGES
    )
    wrong = [(name, f"{step} by {channel}: {count} rows") for (name, step, channel), count in told.items() if count > 1]
    wrong += [(mail, f"arrived {count} times") for mail, count in Counter(evidence.mails).items() if count > 1]
    return _finding("I7", len(evidence.mails), wrong)


def check_progress(evidence: Evidence) -> Finding:
    """due: no open recovery stands in the middle of a step, or still waits for a moment that is long over."""
    recoveries, wrong = evidence.rows_by_recovery(), []
    for name, rows in recoveries.items():
        state = rows[-1]["to_state"]
        planned = [row["data"]["at"] for row in rows if row["type"] in PLANS and row["data"].get("at")]
        if state in UNDER_WAY:
            wrong.append((name, f"still {state}"))
        elif state == "waiting" and planned and _seconds_since(planned[-1], evidence) > OVERDUE_SECONDS:
            wrong.append((name, f"waits for {planned[-1]}, which is over"))
    return _finding("due", len(recoveries), wrong)


def _seconds_since(moment: str, evidence: Evidence) -> float:
    return evidence.read_at - datetime.fromisoformat(moment).timestamp()


def _finding(invariant: str, examined: int, wrong: list[tuple[str, str]]) -> Finding:
    return Finding(examined, tuple(Violation(invariant, subject, what) for subject, what in wrong))


CHECKS: Final[Mapping[str, Callable[[Evidence], Finding]]] = {
    "I1": check_single_charge,
    "I2": check_webhooks,
    "I3": check_requests,
    "I4": check_chains,
    "I5": check_ends,
    "I6": check_network_limits,
    "I7": check_messages,
    "due": check_progress,
}
"""By invariant; `due` is that recoveries go on. I8, old histories on new code, is held by tests/replay."""
