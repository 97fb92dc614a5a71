"""The attempt ledger of one card: use of the card network's limits, and fees for excess attempts."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from api.auth import Scope, require_scope
from api.deps import Fingerprint, Parts, PartsDep
from api.problems import problem_responses
from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry, LimitUsage, Verdict, check_attempt
from core.errors import NotFound
from core.events import Trigger
from db.repositories import network_attempts

router: Final = APIRouter(
    prefix="/v1/credentials",
    tags=["credentials"],
    dependencies=[Depends(require_scope(Scope.READ))],
    responses=problem_responses(401, 403, 404, 422, 429, 503),
)
Provider = Annotated[
    str | None,
    Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$", description="provider that used it last if left out"),
]


class RuleView(BaseModel):
    """One limit of the card's network, and how far it is used now."""

    name: str = Field(description="as in `[network_limits]` of the policy file")
    window_seconds: int
    allowed: int
    used: int
    left: int
    frees_up_at: datetime | None = Field(description="when another attempt is possible; null: now")
    per_amount: bool = Field(description="whether only attempts with the same `amount` are counted")
    source: str


class AttemptView(BaseModel):
    """One attempt, or one that a rule forbade. Amount in minor units."""

    at: datetime
    recovery_id: str
    invoice_id: str
    trigger: Trigger
    outcome: AttemptOutcome
    code: str | None
    network_code: str | None
    network_advice: str | None
    amount: int
    currency: str


class FeesView(BaseModel):
    """Network fees in minor units of one currency."""

    currency: str
    caused: int
    avoided: int


class CredentialView(BaseModel):
    """One card of one provider account, by fingerprint."""

    fingerprint: str
    provider: str
    network: str | None
    amount: int = Field(description="amount of its newest attempt, for which limits per amount are counted")
    currency: str
    allowed: bool = Field(description="whether one more attempt is allowed now")
    never_again: str | None = Field(description="why it must never be charged again")
    rules: list[RuleView]
    attempts: list[AttemptView] = Field(description="the newest 20, newest first")
    fees: list[FeesView]


@router.get("/{fingerprint}", summary="The attempt ledger of one card")
async def get_credential(fingerprint: Fingerprint, parts: PartsDep, provider: Provider = None) -> CredentialView:
    """What the card network still allows, per rule, over all invoices of one provider account."""
    return await load_credential(parts, fingerprint, provider)


async def load_credential(parts: Parts, fingerprint: str, provider: str | None = None) -> CredentialView:
    """The ledger of a card as of now. Raises NotFound for an unknown fingerprint, InvalidPolicy, StoreUnavailable."""
    rules, now = parts.network_rules(), parts.clock()
    async with parts.database.begin() as session:
        owner = provider or await network_attempts.card_provider(session, fingerprint)
        newest = await network_attempts.latest_attempts(session, owner, fingerprint) if owner else ()
        if not newest:
            raise NotFound("There is no credential of that fingerprint.")
        network = await network_attempts.card_network(session, newest[0].provider, fingerprint)
        card = _to_credential(newest[0], fingerprint, network)
        tries = await network_attempts.load_attempts(session, card, rules, now)
        fees = await network_attempts.sum_card_fees(session, card.provider, fingerprint)
    costs = [FeesView(**one.model_dump()) for one in fees]
    return _to_credential_view(card, check_attempt(rules, card, tries, now), newest, costs)


def _to_credential(newest: LedgerEntry, fingerprint: str, network: str | None) -> Credential:
    return Credential(
        provider=newest.provider,
        recovery_id=newest.recovery_id,
        fingerprint=fingerprint,
        network=network,
        amount=newest.amount,
        currency=newest.currency,
    )


def _to_credential_view(
    card: Credential, verdict: Verdict, newest: tuple[LedgerEntry, ...], fees: list[FeesView]
) -> CredentialView:
    return CredentialView(
        **card.model_dump(include={"fingerprint", "provider", "network", "amount", "currency"}),
        allowed=verdict.is_allowed,
        never_again=verdict.never,
        rules=[_to_rule_view(window) for window in verdict.windows],
        attempts=[_to_attempt_view(entry) for entry in newest],
        fees=fees,
    )


def _to_rule_view(window: LimitUsage) -> RuleView:
    return RuleView(
        **window.model_dump(include={"allowed", "used", "left", "per_amount", "source"}),
        name=window.rule,
        window_seconds=window.seconds,
        frees_up_at=window.free_at,
    )


def _to_attempt_view(entry: LedgerEntry) -> AttemptView:
    invoice = entry.recovery_id.removeprefix(f"recovery-{entry.provider}-")
    return AttemptView(**entry.model_dump(include=set(AttemptView.model_fields)), invoice_id=invoice)
