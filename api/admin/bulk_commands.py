"""Bulk commands: one operator command for many recoveries, with a preview, a reason and a result for each."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Form, Request, Response
from starlette.datastructures import QueryParams

from api.admin.command_forms import (
    LONGEST_REASON,
    CommandKind,
    CommandOutcome,
    CommandResult,
    new_form_key,
    submit_from_console,
)
from api.admin.forms import GenuineForm, Tone, flash_message, redirect_to
from api.admin.list_query import parse_list_query, search_known_customer
from api.admin.pages import show_page
from api.admin.sessions import ROOT, Operator, Person
from api.deps import Parts, PartsDep
from core.base import Value
from core.errors import NotFound, StoreUnavailable
from core.ids import recovery_id
from db.queries import recovery_search
from db.repositories import recoveries

router: Final = APIRouter(prefix="/recoveries")
MOST_BULK_RECOVERIES: Final = 500
PARALLEL_COMMANDS: Final = 8
SAMPLE_SIZE: Final = 10
LIST_ADDRESS: Final = f"{ROOT}/recoveries"
MOST_UNANSWERED: Final = 3
"""Commands that Temporal may leave unanswered before the rest is not tried."""


class BulkCommand(StrEnum):
    """Commands that can be submitted for many recoveries."""

    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


class BulkItem(Value):
    """One of the chosen recoveries."""

    provider: str
    invoice_id: str

    @property
    def recovery_id(self) -> str:
        """The recovery's id."""
        return recovery_id(self.provider, self.invoice_id)


class BulkOutcome(Value):
    """Result of the command for one recovery, with a sentence for the page."""

    item: BulkItem
    result: CommandResult
    sentence: str


@router.post("/bulk", dependencies=[GenuineForm])
async def preview_bulk_command(
    request: Request,
    parts: PartsDep,
    _: Operator,
    command: Annotated[BulkCommand, Form()],
    chosen: Annotated[list[str] | None, Form()] = None,
    every: Annotated[bool, Form()] = False,
    narrowed: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """The preview: number of recoveries, a sample, and a form for the reason. Nothing is submitted yet."""
    found = await _load_matching(parts, narrowed) if every else await _load_chosen(parts, chosen or [])
    rows = found[:MOST_BULK_RECOVERIES]
    back = LIST_ADDRESS + (f"?{narrowed}" if narrowed else "")
    if not rows:
        flash_message(request, "Choose at least one recovery first.", Tone.BAD)
        return redirect_to(back)
    return show_page(
        request,
        "bulk.html",
        command=command,
        rows=rows,
        sample=rows[:SAMPLE_SIZE],
        left_out=len(found) > MOST_BULK_RECOVERIES,
        states=Counter(row["state"] for row in rows).most_common(),
        cap=parts.policy().operators.retries_per_hour if command is BulkCommand.RETRY else None,
        back=back,
        narrowed=narrowed,
        once=new_form_key(),
        most=MOST_BULK_RECOVERIES,
    )


async def _load_matching(parts: Parts, narrowed: str) -> list[dict[str, Any]]:
    """The recoveries that match the list's filters, up to one more than the limit, to see if some are left out."""
    wanted = parse_list_query(QueryParams(narrowed), parts.clock())
    async with parts.database.begin() as session:
        wanted = await search_known_customer(session, wanted, parts.customer_ids.keys)
        return await recovery_search.list_matches(session, wanted.filters, MOST_BULK_RECOVERIES + 1)


async def _load_chosen(parts: Parts, chosen: Sequence[str]) -> list[dict[str, Any]]:
    names = [item.recovery_id for item in _parse_items(chosen)]
    async with parts.database.begin() as session:
        return await recoveries.load_recovery_rows(session, names[: MOST_BULK_RECOVERIES + 1])


def _parse_items(chosen: Sequence[str]) -> list[BulkItem]:
    """The chosen recoveries, each once, from texts `provider/invoice`, both percent-encoded; others are left out."""
    pairs = dict.fromkeys(text.partition("/")[::2] for text in chosen if "/" in text)
    return [BulkItem(provider=unquote(provider), invoice_id=unquote(invoice)) for provider, invoice in pairs]


@router.post("/bulk/run", dependencies=[GenuineForm])
async def run_bulk_command(
    request: Request,
    parts: PartsDep,
    person: Operator,
    command: Annotated[BulkCommand, Form()],
    chosen: Annotated[list[str] | None, Form()] = None,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    narrowed: Annotated[str, Form(max_length=4000)] = "",
    once: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Submits the command for each recovery and shows the results. A form that is sent twice acts once."""
    items, back = _parse_items(chosen or [])[:MOST_BULK_RECOVERIES], LIST_ADDRESS + (f"?{narrowed}" if narrowed else "")
    if not items or not reason.strip():
        flash_message(request, "Nothing was done: a reason is needed, and at least one recovery.", Tone.BAD)
        return redirect_to(back)
    outcomes = await BulkRun(parts, person, CommandKind(command.value), reason.strip(), once or None).run_all(items)
    counts = Counter(one.result for one in outcomes)
    return show_page(
        request, "bulk_done.html", command=command, outcomes=outcomes, counts=counts, back=back, results=CommandResult
    )


class BulkRun:
    """Submits one command for many recoveries, eight at a time.

    Tries no more of them when Temporal does not answer, or when the service is asked to stop.
    """

    def __init__(self, parts: Parts, person: Person, command: CommandKind, reason: str, once: str | None) -> None:
        self._parts, self._person, self._command, self._reason, self._once = parts, person, command, reason, once
        self._slots = asyncio.Semaphore(PARALLEL_COMMANDS)
        self._unanswered = 0

    async def run_all(self, items: Sequence[BulkItem]) -> list[BulkOutcome]:
        """The outcome of each item, in the order of `items`."""
        return list(await asyncio.gather(*map(self._run_one, items)))

    async def _run_one(self, item: BulkItem) -> BulkOutcome:
        async with self._slots:
            if self._parts.stop_requested.is_set():
                return BulkOutcome(
                    item=item, result=CommandResult.FAILED, sentence="Not tried: the service is stopping."
                )
            if self._unanswered >= MOST_UNANSWERED:
                return BulkOutcome(
                    item=item, result=CommandResult.FAILED, sentence="Not tried: Temporal does not answer."
                )
            found = await self._submit_one(item)
            self._unanswered += found.result is CommandResult.FAILED
            return BulkOutcome(item=item, result=found.result, sentence=found.sentence)

    async def _submit_one(self, item: BulkItem) -> CommandOutcome:
        try:
            return await submit_from_console(
                self._parts, item.provider, item.invoice_id, self._person, self._command, self._reason, self._once
            )
        except NotFound as error:
            return CommandOutcome(result=CommandResult.REFUSED, sentence=str(error))
        except StoreUnavailable as error:
            return CommandOutcome(result=CommandResult.FAILED, sentence=str(error))
