"""How a recovery shows itself in Temporal: query, current details, search attributes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate, TypedSearchAttributes

from core.contracts import OpenedRecovery, RecoveryStatus
from core.events import State
from core.formatting import format_moment
from core.recovery.machine import Charge, Close, Decide, Done, Notify, Read, Reconcile, Step, Wait
from core.recovery.state import Recovery
from core.recovery.unknown_charges import answer_deadline
from workflows import options


def recovery_status(recovery: Recovery, doing: str, charging: bool) -> RecoveryStatus:
    """The answer to the query. A charge that has begun shows before its row is known here."""
    shared = recovery.model_dump(include=set(RecoveryStatus.model_fields) - {"state", "recovery_id", "doing"})
    state = State.CHARGING if charging else recovery.state
    awaited = {"until": answer_deadline(recovery) or recovery.until}
    return RecoveryStatus(**shared | awaited, recovery_id=recovery.recovery_id, state=state, doing=doing)


def describe_step(recovery: Recovery, step: Step) -> str:
    """The step in words."""
    match step:
        case Wait():
            return f"{step.why}, until {format_moment(step.until, seconds=True)}" if step.until else step.why
        case Notify():
            return f"telling the customer ({step.message.kind.value}); {step.why}"
        case Charge():
            return f"charging ({step.trigger.value})"
        case Reconcile():
            return _describe_reconciliation(recovery)
        case Close() | Done():
            return f"over: {recovery.close_reason or 'closing'}"
        case Read() | Decide():
            return "deciding"


def _describe_reconciliation(recovery: Recovery) -> str:
    """What is waited for while a charge is in flight and, once an ending is set, until when."""
    if recovery.ending is None:
        return f"finding out what became of attempt {recovery.attempt}"
    waits = f"ending ({recovery.ending.reason}): attempt {recovery.attempt} is not sent again, its answer is awaited"
    deadline = answer_deadline(recovery)
    return f"{waits}; no trace of it by {format_moment(deadline, seconds=True)} is the answer" if deadline else waits


def render_details(recovery: Recovery, doing: str) -> str:
    """What an operator reads on the workflow's page, in Markdown."""
    cause = f"{recovery.category} / {recovery.cause}" if recovery.cause else "not classified yet"
    used = f"{recovery.attempts_used} of {recovery.attempts_allowed}" if recovery.attempts_allowed else "none yet"
    next_attempt = format_moment(recovery.next_attempt_at, seconds=True) if recovery.next_attempt_at else "none planned"
    rows = (
        f"**{recovery.state}**: {doing}",
        f"- failure: {cause}",
        f"- segment: {recovery.segment or 'not known yet'}",
        f"- scheduled attempts used: {used}",
        f"- next attempt: {next_attempt}",
    )
    return "\n\n".join(rows)


class SearchAttributes:
    """The search attributes of one run, of those that the namespace knows."""

    def __init__(self) -> None:
        self._searchable: frozenset[str] = frozenset()
        self._only_at_rest = False

    def note_opening(self, opened: OpenedRecovery) -> None:
        """What the opening says of the namespace, and of how this run writes them."""
        self._searchable, self._only_at_rest = frozenset(opened.search_attributes), opened.upserts_at_rest

    def upsert(self, recovery: Recovery, *, at_rest: bool) -> None:
        """Write those that changed since they were last written; nothing where none did.

        `at_rest`: the run is about to sleep or to end. Else only older runs write them, whose history says so: a state
        that lasts seconds isn't worth an event of history.
        """
        if self._only_at_rest and not at_rest:
            return
        updates = _attribute_updates(recovery, workflow.info().typed_search_attributes)
        if changed := [update for key, update in updates if key.name in self._searchable]:
            workflow.upsert_search_attributes(changed)


def _attribute_updates(
    recovery: Recovery, now: TypedSearchAttributes
) -> Iterator[tuple[SearchAttributeKey[Any], SearchAttributeUpdate[Any]]]:
    texts = {
        options.STATE_ATTRIBUTE: recovery.state,
        options.CATEGORY_ATTRIBUTE: recovery.category,
        options.SEGMENT_ATTRIBUTE: recovery.segment,
        options.PROVIDER_ATTRIBUTE: recovery.provider,
        options.CUSTOMER_ATTRIBUTE: recovery.customer_id,
    }
    for key, value in texts.items():
        if value and now.get(key) != value:
            yield key, key.value_set(str(value))
    due = _whole_seconds(recovery.next_attempt_at)
    if due != _whole_seconds(now.get(options.NEXT_ATTEMPT_ATTRIBUTE)):
        yield (
            options.NEXT_ATTEMPT_ATTRIBUTE,
            options.NEXT_ATTEMPT_ATTRIBUTE.value_set(due) if due else options.NEXT_ATTEMPT_ATTRIBUTE.value_unset(),
        )


def _whole_seconds(moment: datetime | None) -> datetime | None:
    """Whole seconds: what an index gives back is not exact to the microsecond."""
    return moment.replace(microsecond=0) if moment else None
