"""Sums of recoveries: amounts at risk, recovered and lost, per currency."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from api.auth import Scope, require_scope
from api.deps import PartsDep
from api.problems import problem_responses
from core.errors import InvalidInput
from core.experiment_report import ArmCounts, ArmReport, compare_arms
from db.queries import summary as sums_of
from db.queries.summary import Group, Sums
from db.repositories import network_attempts
from db.session import Session

router: Final = APIRouter(
    prefix="/v1/summary",
    tags=["summary"],
    dependencies=[Depends(require_scope(Scope.READ))],
    responses=problem_responses(401, 403, 422, 429, 503),
)
GROUPINGS: Final = (("currency",), *((column,) for column in sums_of.SUMMARY_GROUPS), sums_of.ARMS)
DEFAULT_SPAN: Final = timedelta(days=30)
_DATE_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _refuse_unix_time(text: object) -> object:
    """The text, unless it is a number or a date. Raises ValueError for those, which pydantic would take for a time."""
    if isinstance(text, str) and not _DATE_AND_TIME.match(text):
        raise ValueError("a time is written as RFC 3339 has it: 2026-09-01T12:00:00Z")
    return text


Time = Annotated[AwareDatetime, BeforeValidator(_refuse_unix_time)]
Currency = Annotated[str | None, Query(pattern=r"^[A-Za-z]{3}$", description="ISO 4217; every one when left out")]


class Figures(BaseModel):
    """Sums of recoveries. Amounts are in minor units of the currency that they are listed under."""

    at_risk: int = Field(description="open amount of open recoveries")
    recovered: int = Field(
        description="gross amount paid before the end, by our charges or elsewhere; includes partial payments of open "
        "and lost recoveries"
    )
    lost: int = Field(description="open amount of recoveries that ended unpaid; not of those out of scope")
    paid_late: int = Field(description="amount paid after an end as unpaid; not part of `recovered`")
    returned: int = Field(description="amount returned after the end; `recovered` stays gross")
    net: int = Field(description="recovered + paid_late - returned")
    open_count: int
    recovered_count: int
    lost_count: int
    recovery_rate: float | None = Field(
        description="recovered / (recovered + lost) by amount, gross; null where both are 0"
    )


class CurrencySummary(Figures):
    """All sums in one currency."""

    currency: str = Field(description="ISO 4217")
    by_cause: dict[str, Figures]
    by_segment: dict[str, Figures]
    by_strategy: dict[str, Figures]
    experiments: list[ArmReport]


class NetworkFees(BaseModel):
    """What the card networks charge for excess attempts, in minor units."""

    currency: str = Field(description="ISO 4217; the currency of the network's fee, not of the invoices")
    caused: int = Field(description="fees of attempts that were made")
    avoided: int = Field(description="fees of attempts that a rule forbade")


class Summary(BaseModel):
    """Recoveries that opened in [from, to)."""

    begins: datetime = Field(serialization_alias="from")
    ends: datetime = Field(serialization_alias="to")
    currencies: list[CurrencySummary]
    network_fees: list[NetworkFees] = Field(description="of attempts in [from, to), per currency")


@router.get("", summary="Amounts at risk, recovered and lost")
async def get_summary(
    parts: PartsDep,
    since: Annotated[Time | None, Query(alias="from", description="30 days before `to` if left out")] = None,
    until: Annotated[Time | None, Query(alias="to", description="not included; now if left out")] = None,
    currency: Currency = None,
) -> Summary:
    """Sums of the recoveries that opened in the period, per currency, and a comparison of the experiments' arms."""
    begins, ends = _parse_period(since, until or parts.clock())
    async with parts.database.begin() as session:
        found = await sums_of.load_sums_by_currency(session, GROUPINGS, begins, ends, currency)
        fees = [NetworkFees(**one.model_dump()) for one in await network_attempts.sum_fees(session, begins, ends)]
    currencies = [_currency_summary(name, groups) for name, groups in found.items()]
    return Summary(begins=begins, ends=ends, currencies=currencies, network_fees=fees)


def _parse_period(since: datetime | None, until: datetime) -> tuple[datetime, datetime]:
    """Both ends in UTC. Raises InvalidInput for a time that has no moment in UTC, at an end of the calendar."""
    try:
        ends = until.astimezone(UTC)
        return since.astimezone(UTC) if since else ends - DEFAULT_SPAN, ends
    except OverflowError:
        raise InvalidInput("The period lies outside of the calendar.") from None


def _currency_summary(name: str, groups: Mapping[tuple[str, ...], list[Group]]) -> CurrencySummary:
    (total,) = groups["currency",]
    grouped = {f"by_{column}": _figures_by_name(groups[column,]) for column in sums_of.SUMMARY_GROUPS}
    return CurrencySummary(
        currency=name,
        **to_figures(total.sums).model_dump(),
        **grouped,
        experiments=list(compare_arm_groups(groups[sums_of.ARMS])),
    )


def _figures_by_name(groups: list[Group]) -> dict[str, Figures]:
    """Figures by name; those of recoveries without one yet are under `none`."""
    return {one.keys[0] or "none": to_figures(one.sums) for one in groups}


def to_figures(sums: Sums) -> Figures:
    """The sums with net amount and recovery rate (0 to 1, six decimals)."""
    ended = sums.recovered + sums.lost
    return Figures(**sums.model_dump(), net=sums.net, recovery_rate=round(sums.recovered / ended, 6) if ended else None)


async def load_arm_reports(session: Session, since: datetime, until: datetime) -> dict[str, tuple[ArmReport, ...]]:
    """Reports on the arms of every experiment by currency; currencies without any are left out."""
    found = await sums_of.load_sums_by_currency(session, (sums_of.ARMS,), since, until)
    compared = {name: compare_arm_groups(groups[sums_of.ARMS]) for name, groups in found.items()}
    return {name: reports for name, reports in compared.items() if reports}


def compare_arm_groups(groups: list[Group]) -> tuple[ArmReport, ...]:
    """Compares the arms of each experiment, from sums grouped by experiment and arm."""
    return compare_arms(
        ArmCounts(
            experiment=group.keys[0] or "",
            arm=group.keys[1] or "",
            recovered=group.sums.recovered_count,
            lost=group.sums.lost_count,
            recovered_amount=group.sums.recovered,
            at_risk_amount=group.sums.at_risk,
            paid_late_amount=group.sums.paid_late,
            returned_amount=group.sums.returned,
            net_amount=group.sums.net,
        )
        for group in groups
    )
