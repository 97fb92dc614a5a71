"""Classifies a failure by its raw codes, and names the table row that decided.

Each code that a table holds is an answer. Their precedence:

1. a stop instruction from any table: the cardholder withdrew consent;
2. advice of the network or the provider, hard advice first;
3. the network's response code, then the provider's codes; of these, a hard answer precedes a softer one;
4. GENERIC ("declined, no reason"), then UNKNOWN: they never replace a more specific answer.

Without any answer the cause is UNKNOWN, in the category REVIEW. Unknown codes never raise an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from core.classification.tables import ANY_NETWORK, CodeKind, DeclineRow, DeclineTables
from core.classification.taxonomy import Category, Cause, Classification
from core.payments import Card, Failure

_NO_OVERRIDES: Mapping[str, Cause] = MappingProxyType({})

_NETWORK_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "mc": "mastercard",
        "master": "mastercard",
        "maestro": "mastercard",
        "visa_electron": "visa",
        "visaelectron": "visa",
        "electron": "visa",
        "americanexpress": "amex",
        "american_express": "amex",
        "ax": "amex",
    }
)

_OVERRIDE_SOURCE = "overrides of the policy file"

# The order in which the kinds of a provider's table are searched for one value: providers put an error code where a
# decline code is missing, and decline codes into the outcome's reason.
_CODE_KINDS = (CodeKind.DECLINE_CODE, CodeKind.ERROR_CODE, CodeKind.OUTCOME_REASON)
_REASON_KINDS = (CodeKind.OUTCOME_REASON, CodeKind.DECLINE_CODE, CodeKind.ERROR_CODE)

# Networks with response codes of their own: another network's meaning of a code doesn't apply to them.
_KNOWN_NETWORKS = frozenset({"visa", "mastercard", "amex"})


class AnswerLevel(IntEnum):
    """Where an answer comes from; a lower number takes precedence."""

    ADVICE = 0
    NETWORK = 1
    PROVIDER = 2


class Answer(NamedTuple):
    """One table row that matches a code of the failure."""

    level: AnswerLevel
    row: DeclineRow


def classify(
    failure: Failure, tables: DeclineTables, overrides: Mapping[str, Cause] = _NO_OVERRIDES, *, provider: str
) -> Classification:
    """The classification of this provider's failure. Never raises, whatever the codes are.

    `overrides` maps `provider.code` or `network.code` to the cause that a merchant sets for that row; advice codes and
    stop instructions can't be overridden. The wait is the longest that any matching row asks for, even if another row
    decided the cause.
    """
    answers = tuple(_list_answers(failure, tables, provider))
    if overrides:
        answers = tuple(_apply_override(answer, overrides) for answer in answers)
    if not answers:
        return _classify_unknown(failure, provider)
    row = _decisive_answer(answers).row
    if row.cause is Cause.UNKNOWN:
        return _classify_unknown(failure, provider, row)
    return Classification(
        category=row.cause.category,
        cause=row.cause,
        code=row.code,
        decided_by=row.name,
        source=row.source,
        wait_seconds=max((answer.row.wait_seconds or 0 for answer in answers), default=0) or None,
    )


def classify_with_card(
    failure: Failure,
    card: Card,
    tables: DeclineTables,
    overrides: Mapping[str, Cause] = _NO_OVERRIDES,
    *,
    provider: str,
) -> Classification:
    """As `classify`, by the card's network where the failure itself names none. Never raises."""
    if not failure.network and card.network:
        failure = failure.model_copy(update={"network": card.network})
    return classify(failure, tables, overrides, provider=provider)


def network_name(text: str | None) -> str | None:
    """The canonical name of a card network in lower case: `mc` is `mastercard`. None if none is given."""
    return _canonical_name(text) if text else None


# A handful of networks, each spelled in a few ways.
@lru_cache(maxsize=256)
def _canonical_name(text: str) -> str | None:
    name = "_".join(text.lower().replace("-", " ").split())
    return _NETWORK_NAMES.get(name, name) or None


def _decisive_answer(answers: tuple[Answer, ...]) -> Answer:
    """The answer that decides; of equal ones the first, since answers come in order of precedence."""
    best = min(answers, key=_answer_rank) if len(answers) > 1 else answers[0]
    if best.level is AnswerLevel.ADVICE and best.row.cause is Cause.PERMANENT:
        # "Do not try again" gives no reason: it must not hide another answer that says fraud, which needs a review.
        return next((answer for answer in answers if answer.row.cause is Cause.FRAUD), best)
    return best


def _answer_rank(answer: Answer) -> int:
    cause, hard = answer.row.cause, answer.row.cause.category is Category.HARD_DECLINE
    if cause is Cause.STOP_INSTRUCTION:
        return 0
    if cause is Cause.GENERIC:
        return 5
    if cause is Cause.UNKNOWN:
        return 6
    return (1 if hard else 2) if answer.level is AnswerLevel.ADVICE else (3 if hard else 4)


def _list_answers(failure: Failure, tables: DeclineTables, provider: str) -> Iterator[Answer]:
    """Every row that matches a code of the failure, by level."""
    network = network_name(failure.network)
    response = _normalize_code(failure.network_code)
    for row in _find_advice(failure, tables, provider, network, response):
        yield Answer(AnswerLevel.ADVICE, row)
    if said := _find_response(tables, network, response):
        yield Answer(AnswerLevel.NETWORK, said)
    for text, kinds in ((failure.code, _CODE_KINDS), (failure.outcome_reason, _REASON_KINDS)):
        if found := _find_provider_row(tables, provider, text, kinds):
            yield Answer(AnswerLevel.PROVIDER, found)


def _find_advice(
    failure: Failure, tables: DeclineTables, provider: str, network: str | None, response: str
) -> Iterator[DeclineRow]:
    # Only Mastercard numbers its advice, so a number without a network is Mastercard's.
    if code := _normalize_code(failure.network_advice):
        whose = network or "mastercard"
        if row := tables.advice.get((whose, code, response)) or tables.advice.get((whose, code, "")):
            yield row
    if found := _find_provider_row(tables, provider, failure.advice, (CodeKind.ADVICE_CODE,)):
        yield found


def _find_response(tables: DeclineTables, network: str | None, code: str) -> DeclineRow | None:
    """The network's own row, else the shared one; for a network without a table, the only other network's row if there
    is just one."""
    row = tables.networks.get((network or "", code)) or tables.networks.get((ANY_NETWORK, code))
    if row or network in _KNOWN_NETWORKS:
        return row
    others = [found for name in sorted(_KNOWN_NETWORKS) if (found := tables.networks.get((name, code)))]
    return others[0] if len(others) == 1 else None


def _find_provider_row(
    tables: DeclineTables, provider: str, text: str | None, kinds: tuple[CodeKind, ...]
) -> DeclineRow | None:
    if not text:
        return None
    code = text.strip().lower()
    for kind in kinds:
        if row := tables.providers.get((provider, kind, code)):
            return row
    return None


def _normalize_code(text: str | None) -> str:
    """A response or advice code as the tables have it: upper case, a single digit with a leading zero."""
    if not text:
        return ""
    code = text.strip().upper()
    return f"0{code}" if len(code) == 1 and code.isdigit() else code


def _apply_override(answer: Answer, overrides: Mapping[str, Cause]) -> Answer:
    """The answer with the merchant's cause; unchanged for advice and stop instructions, which bind the merchant."""
    row = answer.row
    if answer.level is AnswerLevel.ADVICE or row.cause is Cause.STOP_INSTRUCTION:
        return answer
    cause = overrides.get(f"{row.table}.{row.code.lower()}")
    return Answer(answer.level, replace(row, cause=cause, source=_OVERRIDE_SOURCE)) if cause else answer


def _classify_unknown(failure: Failure, provider: str, row: DeclineRow | None = None) -> Classification:
    """REVIEW/UNKNOWN, with all given codes in `decided_by`; `row` is one whose cause is UNKNOWN."""
    given = ("code", "outcome", "outcome_reason", "advice", "network", "network_code", "network_advice")
    # repr() escapes NUL, which PostgreSQL can't store, and line breaks. Codes are cut: they come from outside.
    seen = ", ".join(f"{name}={value[:40]!r}" for name in given if (value := getattr(failure, name)))
    reason = f"{row.name} ({row.meaning})" if row else "no row of any table"
    return Classification(
        category=Category.REVIEW,
        cause=Cause.UNKNOWN,
        code=row.code if row else None,
        decided_by=f"{reason}; {provider} gave {seen or 'no code'}",
        source=row.source if row else "no table: retried with the careful strategy",
    )


def summarize_classification(classification: Classification) -> dict[str, str]:
    """`category`, `cause`, `decided_by` (table and row) and `next` (the recovery's next action), as texts."""
    return {
        "category": classification.category.value,
        "cause": classification.cause.value,
        "decided_by": classification.decided_by,
        "next": classification.cause.next_action.value,
    }
