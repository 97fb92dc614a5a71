"""`pri explain`: the classification of a failure, for people and for programs."""

import json

import pytest

from tests.commands.conftest import Pri

BROKEN = {"TIME_SCALE": "x", "DATABASE_URL": "nonsense", "POLICY_FILE": "/nowhere"}


@pytest.mark.parametrize(
    ("words", "category", "cause", "following"),
    [
        (("--code", "generic_decline"), "SOFT_DECLINE", "GENERIC", "retry"),
        (("--code", "insufficient_funds"), "SOFT_DECLINE", "INSUFFICIENT_FUNDS", "retry"),
        (("--code", "card_velocity_exceeded"), "RATE_LIMITED", "VELOCITY", "cool_down"),
        (("--code", "expired_card"), "HARD_DECLINE", "CARD_DATA", "ask_customer"),
        (("--code", "revocation_of_authorization"), "HARD_DECLINE", "STOP_INSTRUCTION", "stop"),
        (("--code", "no such code"), "REVIEW", "UNKNOWN", "retry"),
        (
            ("--code", "do_not_honor", "--provider-advice", "do_not_try_again"),
            "HARD_DECLINE", "PERMANENT", "wait_for_method",
        ),
        (
            ("--code", "do_not_honor", "--network", "visa", "--network-code", "57"),
            "HARD_DECLINE", "PERMANENT", "wait_for_method",
        ),
        (
            ("--code", "generic_decline", "--network", "mastercard", "--network-advice", "02"),
            "SOFT_DECLINE", "INSUFFICIENT_FUNDS", "retry",
        ),
    ],
)  # fmt: skip
def test_explain_prints_json_without_any_settings(
    pri: Pri, words: tuple[str, ...], category: str, cause: str, following: str
) -> None:
    answer = pri("explain", "--provider", "stripe", *words, "--json", **BROKEN)
    assert (answer.code, answer.err) == (0, "")
    document = json.loads(answer.out)
    assert list(document) == ["category", "cause", "decided_by", "next"]
    assert (document["category"], document["cause"]) == (category, cause)
    if cause != "UNKNOWN":
        assert document["next"] == following
    assert document["decided_by"]


def test_explain_prints_two_lines_and_the_source(pri: Pri) -> None:
    answer = pri("explain", "--provider", "stripe", "--code", "expired_card")
    assert (answer.code, answer.err) == (0, "")
    first, second = answer.out.splitlines()
    assert first.startswith("HARD_DECLINE / CARD_DATA, by stripe decline_code=expired_card (")
    assert second == "next: ask customer"


def test_explain_as_a_process_prints_the_same(pri: Pri, pri_process: Pri) -> None:
    words = ("explain", "--provider", "stripe", "--code", "expired_card", "--json")
    assert pri_process(*words, **BROKEN) == pri(*words)


def test_a_provider_that_is_not_installed_is_named(pri: Pri) -> None:
    complaint = pri("explain", "--provider", "nobody", "--code", "x", "--json").error_line()
    assert "'nobody'" in complaint
    assert "stripe" in complaint
