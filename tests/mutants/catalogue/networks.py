"""Bugs in what the card networks allow: I6."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

RULES: Final = "core/card_networks/rules.py"

NETWORKS: Final = (
    Mutant(
        name="no-lock-in-the-ledger",
        promise="I6",
        bug="two invoices of one card count its attempts side by side",
        edits=(
            Edit(
                file="db/recovery_log.py",
                old="            await network_attempts.lock_card(session, card)\n",
                new="",
            ),
        ),
        checks=("tests/db/test_network_attempts.py::test_one_of_two_concurrent_recoveries_gets_the_last_try",),
    ),
    Mutant(
        name="one-attempt-too-many",
        promise="I6",
        bug="a network's limit is off by one",
        edits=(
            Edit(
                file=RULES,
                old="len(counted) >= limit.allowed and counted[limit.allowed - 1] >",
                new="len(counted) > limit.allowed and counted[limit.allowed] >",
            ),
        ),
        checks=(
            "tests/core/card_networks/test_card_laws.py::test_no_network_window_is_overfilled",
            "tests/core/card_networks/test_network_rules.py::test_try_above_the_limit_waits_until_the_window_frees_up",
        ),
    ),
    Mutant(
        name="attempts-not-counted",
        promise="I6",
        bug="our own charges are left out of the ledger",
        edits=(
            Edit(
                file="db/repositories/event_log.py",
                old="    attempts = network_attempts.merge_entries(turn.before, records)\n",
                new="    attempts = ()\n",
            ),
        ),
        checks=("tests/db/test_network_attempts.py::test_tries_are_counted_per_card_and_provider",),
    ),
    Mutant(
        name="counted-per-invoice",
        promise="I6",
        bug="attempts count per recovery and not per card",
        edits=(
            Edit(
                file="db/repositories/network_attempts.py",
                old='_OF_CARD.fetch(session, given | {"provider": card.provider, "fingerprint": card.fingerprint})',
                new='_counting_attempts(table.c.recovery_id == bindparam("recovery_id")).fetch('
                'session, given | {"recovery_id": card.recovery_id})',
            ),
        ),
        checks=("tests/db/test_network_attempts.py::test_tries_are_counted_per_card_and_provider",),
    ),
    Mutant(
        name="stop-instruction-ignored",
        promise="I6",
        bug="a card that must never be tried again is tried again",
        edits=(
            Edit(
                file=RULES,
                old="never=find_stop_reason(rules, credential, tries)",
                new="never=None",
            ),
        ),
        checks=("tests/core/card_networks/test_network_rules.py::test_stop_answers_forbid_every_further_try",),
    ),
    Mutant(
        name="merchant-above-the-network",
        promise="I6",
        bug="a merchant's own limit raises the network's",
        edits=(
            Edit(
                file=RULES,
                old='update={"allowed": min(one.allowed, wanted[one.name])}',
                new='update={"allowed": wanted[one.name]}',
            ),
        ),
        checks=("tests/core/card_networks/test_network_rules.py::test_merchant_may_lower_a_limit_and_never_raise_it",),
    ),
)
