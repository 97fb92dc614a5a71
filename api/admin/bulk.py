"""One thing done to many recoveries: chosen, looked at, given a reason, and told one by one what came of it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import unquote

from fastapi import APIRouter, Form, Request, Response
from starlette.datastructures import QueryParams

from api.admin.forms import Genuine, Tone, go, say
from api.admin.narrowing import narrowing
from api.admin.pages import show
from api.admin.people import ROOT, Operator
from api.admin.wishes import LONGEST_REASON, Put, Result, Wish, once, put
from api.deps import Parts, PartsDep
from core.base import Value
from core.errors import NotFound, StoreUnavailable
from core.ids import recovery_id
from db.repositories import desk, recoveries

router: Final = APIRouter(prefix="/recoveries")
MOST: Final = 500
AT_ONCE: Final = 8
SAMPLE: Final = 10
LIST: Final = f"{ROOT}/recoveries"
MOST_SILENCES: Final = 3
"""So often the engine may not answer before the rest is left alone."""


class Many(StrEnum):
    """What can be done to many."""

    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


class Item(Value):
    """One recovery of those that were chosen."""

    provider: str
    invoice_id: str

    @property
    def name(self) -> str:
        """Of its log."""
        return recovery_id(self.provider, self.invoice_id)


class Outcome(Value):
    """What came of one."""

    item: Item
    result: Result
    sentence: str


@router.post("/bulk", dependencies=[Genuine])
async def previewed(
    request: Request,
    parts: PartsDep,
    _: Operator,
    wish: Annotated[Many, Form()],
    chosen: Annotated[list[str] | None, Form()] = None,
    every: Annotated[bool, Form()] = False,
    narrowed: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """How many, some of them, and the question for a reason. Nothing is done yet."""
    found = await _all(parts, narrowed) if every else await _chosen(parts, chosen or [])
    rows = found[:MOST]
    back = LIST + (f"?{narrowed}" if narrowed else "")
    if not rows:
        say(request, "Choose at least one recovery first.", Tone.BAD)
        return go(back)
    return show(
        request,
        "bulk.html",
        wish=wish,
        rows=rows,
        sample=rows[:SAMPLE],
        left_out=len(found) > MOST,
        states=Counter(row["state"] for row in rows).most_common(),
        cap=parts.policy().operators.retries_per_hour if wish is Many.RETRY else None,
        back=back,
        narrowed=narrowed,
        once=once(),
        most=MOST,
    )


async def _all(parts: Parts, narrowed: str) -> list[dict[str, Any]]:
    """One more than may be, where there are as many."""
    wanted = narrowing(QueryParams(narrowed), parts.clock())
    async with parts.database.begin() as session:
        return await desk.list_matches(session, wanted.filters, MOST + 1)


async def _chosen(parts: Parts, chosen: Sequence[str]) -> list[dict[str, Any]]:
    names = [item.name for item in _items(chosen)]
    async with parts.database.begin() as session:
        return await recoveries.load_recovery_rows(session, names[: MOST + 1])


def _items(chosen: Sequence[str]) -> list[Item]:
    """Each once, as `provider/invoice`, both percent-encoded; what isn't that is left out."""
    pairs = dict.fromkeys(text.partition("/")[::2] for text in chosen if "/" in text)
    return [Item(provider=unquote(provider), invoice_id=unquote(invoice)) for provider, invoice in pairs]


@router.post("/bulk/run", dependencies=[Genuine])
async def ran(
    request: Request,
    parts: PartsDep,
    person: Operator,
    wish: Annotated[Many, Form()],
    chosen: Annotated[list[str] | None, Form()] = None,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    narrowed: Annotated[str, Form(max_length=4000)] = "",
    once: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """What came of each. Sent twice, each wish still acts once."""
    items, back = _items(chosen or [])[:MOST], LIST + (f"?{narrowed}" if narrowed else "")
    if not items or not reason.strip():
        say(request, "Nothing was done: a reason is needed, and at least one recovery.", Tone.BAD)
        return go(back)
    outcomes = await Run(parts, person.name, Wish(wish.value), reason.strip(), once or None).over(items)
    counts = Counter(one.result for one in outcomes)
    return show(request, "bulk_done.html", wish=wish, outcomes=outcomes, counts=counts, back=back, results=Result)


class Run:
    """Puts one wish to many, a few at a time; stops where nobody answers or the service is asked to stop."""

    def __init__(self, parts: Parts, actor: str, wish: Wish, reason: str, once: str | None) -> None:
        self._parts, self._actor, self._wish, self._reason, self._once = parts, actor, wish, reason, once
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._silences = 0

    async def over(self, items: Sequence[Item]) -> list[Outcome]:
        """In their order."""
        return list(await asyncio.gather(*map(self._one, items)))

    async def _one(self, item: Item) -> Outcome:
        async with self._turns:
            if self._parts.leaving.is_set():
                return Outcome(item=item, result=Result.FAILED, sentence="Not tried: the service is stopping.")
            if self._silences >= MOST_SILENCES:
                return Outcome(item=item, result=Result.FAILED, sentence="Not tried: Temporal does not answer.")
            found = await self._put(item)
            self._silences += found.result is Result.FAILED
            return Outcome(item=item, result=found.result, sentence=found.sentence)

    async def _put(self, item: Item) -> Put:
        try:
            return await put(
                self._parts, item.provider, item.invoice_id, self._actor, self._wish, self._reason, self._once
            )
        except NotFound as error:
            return Put(result=Result.REFUSED, sentence=str(error))
        except StoreUnavailable as error:
            return Put(result=Result.FAILED, sentence=str(error))
