"""Bugs in what customers are told: I7."""

from typing import Final

from tests.mutants.mutant import Edit, Mutant

MESSAGING: Final = "activities/messaging.py"

MESSAGES: Final = (
    Mutant(
        name="maybe-sent-is-sent-again",
        promise="I7",
        bug="a message that may have gone out is sent again",
        edits=(
            Edit(
                file="db/repositories/messages.py",
                old='where=table.c.state == "unsent")',
                new='where=table.c.state.in_(("unsent", "sending")))',
            ),
        ),
        checks=(
            "tests/db/test_messages.py::test_one_of_many_concurrent_claims_may_send",
            "tests/activities/test_messaging.py::test_crash_after_sending_counts_as_maybe_sent_and_never_sends_twice",
        ),
    ),
    Mutant(
        name="lost-connection-is-unsent",
        promise="I7",
        bug="a message whose mail server went away after the last byte counts as not sent",
        edits=(
            Edit(
                file=MESSAGING,
                old='            structlog.get_logger("messages").warning("a message was maybe sent", '
                "error=type(error).__name__)\n",
                new="            await self._outbox.conclude_message(name, MessageState.UNSENT, 'lost', None)\n",
            ),
        ),
        checks=("tests/activities/test_messaging.py::test_a_connection_lost_after_the_last_byte_is_maybe_sent",),
    ),
    Mutant(
        name="unsubscribed-is-written-to",
        promise="I7",
        bug="a customer who unsubscribed gets messages",
        edits=(
            Edit(
                file=MESSAGING,
                old="        if await self._suppressions.is_suppressed(mine):\n",
                new="        if False:\n",
            ),
        ),
        checks=("tests/api/test_unsubscribe.py::test_each_customer_has_a_link_of_their_own_and_it_is_honoured",),
    ),
)
