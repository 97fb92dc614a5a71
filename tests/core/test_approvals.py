"""Which operator commands need two people, and how each one's command ends."""

from datetime import UTC, datetime, timedelta

import pytest

from core.operators import (
    APPROVAL_LIFETIME,
    Action,
    ApprovalRequest,
    ApprovalStatus,
    OperatorRules,
    approval_status,
    describe_approval_request,
    needs_second_approver,
)

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
RULES = OperatorRules(second_approver_above={"EUR": 500_000, "JPY": 0})
RETRY = (Action.RETRY, None)
APPROVE = (Action.REVIEW, "approve")

CASES: list[tuple[tuple[Action, str | None], int, str, bool]] = [
    (RETRY, 500_000, "EUR", False),
    (RETRY, 500_001, "EUR", True),
    (RETRY, 500_001, "eur", True),
    (APPROVE, 500_001, "EUR", True),
    (APPROVE, 500_000, "EUR", False),
    ((Action.REVIEW, "reject"), 500_001, "EUR", False),
    ((Action.CANCEL, None), 500_001, "EUR", False),
    ((Action.PAUSE, None), 500_001, "EUR", False),
    ((Action.RESUME, None), 500_001, "EUR", False),
    (RETRY, 10**12, "USD", False),
    (RETRY, 1, "JPY", True),
    (RETRY, 0, "JPY", False),
    (RETRY, 0, "", True),
]


@pytest.mark.parametrize(("command", "amount", "currency", "needed"), CASES)
def test_which_commands_need_a_second_person(
    command: tuple[Action, str | None], amount: int, currency: str, needed: bool
) -> None:
    assert needs_second_approver(RULES, *command, amount, currency) is needed


@pytest.mark.parametrize("currency", ["EUR", "JPY", ""])
def test_shipped_policy_needs_no_second_person(currency: str) -> None:
    assert not needs_second_approver(OperatorRules(), *RETRY, 10**12, currency)


def waiting_ask(by: str = "ann", at: datetime = NOW) -> ApprovalRequest:
    """An approval request that waits for a second person."""
    return ApprovalRequest(asked_by=by, asked_at=at, expires_at=at + APPROVAL_LIFETIME, reason="she called")


@pytest.mark.parametrize(
    ("ask", "actor", "status"),
    [
        (None, "ann", ApprovalStatus.REQUESTED),
        (waiting_ask(), "ann", ApprovalStatus.PENDING),
        (waiting_ask(), "bob", ApprovalStatus.GRANTED),
        (waiting_ask(at=NOW - timedelta(hours=24) + timedelta(seconds=1)), "bob", ApprovalStatus.GRANTED),
        (waiting_ask(at=NOW - timedelta(hours=24)), "bob", ApprovalStatus.REQUESTED),
        (waiting_ask(at=NOW - timedelta(hours=24)), "ann", ApprovalStatus.REQUESTED),
    ],
)
def test_command_of_the_second_person_is_granted(
    ask: ApprovalRequest | None, actor: str, status: ApprovalStatus
) -> None:
    assert approval_status(ask, actor, NOW) is status


def test_first_person_is_told_what_the_second_must_do_and_by_when() -> None:
    description = describe_approval_request(waiting_ask("ann"))
    assert "ann submitted the command" in description
    assert "another operator" in description
    assert "2026-11-24 08:00 UTC (24 hours)" in description
