"""The form of a policy file: one model per table, and errors that name file, line and key."""

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.classification.taxonomy import Cause, Chargeability
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.fraud.rules import SHIPPED_SCORES, FraudRules, SignalKind
from core.messages.kinds import MessageKind
from core.operators import OperatorRules
from core.policy.scope import AttachedMethodHandling, CollectionHandling, ScopeRule, UncollectibleHandling
from core.problem_list import join_problems, shorten
from core.toml_text import KeyLines, KeyPath, parse_toml

Score = Annotated[int, Field(strict=True, ge=0, le=100)]
Threshold = Annotated[int, Field(strict=True, ge=1, le=100)]
Count = Annotated[int, Field(strict=True, ge=2, le=1000)]
SHIPPED_FRAUD_RULES = FraudRules()


class FraudTable(BaseModel):
    """`[fraud]`; a key that is left out has the shipped value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    review_at: Threshold = SHIPPED_FRAUD_RULES.review_at
    block_at: Threshold = SHIPPED_FRAUD_RULES.block_at
    window: str = "7d"
    burst_window: str = "1h"
    cards_of_customer: Count = SHIPPED_FRAUD_RULES.cards_of_customer
    customers_on_card: Count = SHIPPED_FRAUD_RULES.customers_on_card
    failures_in_burst: Count = SHIPPED_FRAUD_RULES.failures_in_burst
    provider_score_min: Score | None = None
    scorer: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")] | None = None
    scorer_timeout_ms: Annotated[int, Field(strict=True, ge=10, le=1000)] = SHIPPED_FRAUD_RULES.scorer_timeout_ms
    scores: dict[SignalKind, Score] = {}


Channels = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]], Field(min_length=1, max_length=5)]


class _StrictMessageTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageTable(_StrictMessageTable):
    """One message of a campaign."""

    kind: MessageKind
    after: str | None = None
    before_end: str | None = None
    channels: Channels | None = None


class CampaignTable(_StrictMessageTable):
    """One `[campaigns.NAME]`."""

    channels: Channels = ["email"]
    quiet_hours: str | None = None
    recovered: bool = True
    ended: bool = True
    messages: dict[Cause, list[MessageTable]] = {}
    unable: dict[Chargeability, list[MessageTable]] = {}


PolicyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Attempts = Annotated[int, Field(strict=True, ge=0, le=20)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Days = Annotated[int, Field(strict=True, ge=1, le=365)]


class _StrictTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StrategyTable(BaseModel):
    """One `[strategies.NAME]`: `use` names the class, every other key is one of its settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str


class FallbackTable(_StrictTable):
    """`[fallback]`: the settings of a fixed ladder."""

    delays: list[str]
    jitter_percent: int = 0


class SegmentTable(_StrictTable):
    """One `[[segments]]`; a key that is left out has the default segment's value."""

    name: PolicyName
    when: dict[str, Any] = {}
    attempts_allowed: Attempts | None = None
    window_days: Days | None = None
    customer_deadline_days: Days | None = None
    review_deadline_days: Days | None = None
    campaign: PolicyName | None = None
    important: bool | None = None
    strategies: dict[Cause, PolicyName] = {}


class ChangesTable(_StrictTable):
    """The settings that an arm of an experiment changes."""

    attempts_allowed: Attempts | None = None
    window_days: Days | None = None
    campaign: PolicyName | None = None
    strategies: dict[Cause, PolicyName] = {}


class ArmTable(ChangesTable):
    """One `[experiments.NAME.arms.ARM]`."""

    share: Percent
    segments: dict[PolicyName, ChangesTable] = {}


class ExperimentTable(_StrictTable):
    """One `[experiments.NAME]`."""

    holdout: Percent = 0
    arms: Annotated[dict[PolicyName, ArmTable], Field(min_length=1)]


class OperatorsTable(_StrictTable):
    """`[operators]`: what one operator may do alone; amounts in minor units, by currency."""

    second_approver_above: dict[Currency, Annotated[int, Field(strict=True, ge=0)]] = {}
    retries_per_hour: Annotated[int, Field(strict=True, ge=1, le=10_000)] = OperatorRules().retries_per_hour


class ScopeTable(_StrictTable):
    """`[scope]`: which invoices are collected."""

    take: list[ScopeRule] = []
    paused: CollectionHandling = CollectionHandling.WAIT
    ending: CollectionHandling = CollectionHandling.COLLECT
    uncollectible: UncollectibleHandling = UncollectibleHandling.STOP


class MethodsTable(_StrictTable):
    """`[methods]`: how a newly attached payment method is used."""

    attached: AttachedMethodHandling = AttachedMethodHandling.TRY


class PolicyTable(_StrictTable):
    """The whole file."""

    format: Literal[1]
    fallback: FallbackTable
    cool_down: dict[Cause, str] = {}
    strategies: dict[PolicyName, StrategyTable]
    segments: Annotated[list[SegmentTable], Field(min_length=1)]
    overrides: dict[str, Any] = {}
    fraud: FraudTable = FraudTable()
    experiments: dict[PolicyName, ExperimentTable] = {}
    network_limits: dict[str, Annotated[int, Field(strict=True, ge=1)]] = {}
    campaigns: dict[PolicyName, CampaignTable] = {}
    operators: OperatorsTable = OperatorsTable()
    scope: ScopeTable = ScopeTable()
    methods: MethodsTable = MethodsTable()


class PolicyText:
    """A policy file's text and name: parses it, and makes errors with file, line and key."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name

    def read_table(self) -> PolicyTable:
        """The file as a typed table. Raises InvalidPolicy for broken TOML, or naming the keys that are wrong."""
        try:
            found = parse_toml(self._text)
        except ValueError as error:
            raise InvalidPolicy(f"{self._name}: {error}") from error
        try:
            return PolicyTable.model_validate(found)
        except ValidationError as error:
            problems = (self._format_error(tuple(one["loc"]), one["msg"]) for one in error.errors(include_input=False))
            raise InvalidPolicy(join_problems(problems, error.error_count())) from error

    def error_at(self, path: KeyPath, sentence: str) -> InvalidPolicy:
        """An error about the key at this path, to be raised by the caller."""
        return InvalidPolicy(self._format_error(path, sentence))

    @cached_property
    def _lines(self) -> KeyLines:
        # Read when the first error needs it, and once for all.
        return KeyLines(self._text)

    def _format_error(self, path: KeyPath, sentence: str) -> str:
        line = self._lines.nearest_line(path)
        place = f"{self._name}:{line}" if line else self._name
        return f"{place}: {shorten('.'.join(map(str, path)))}: {shorten(sentence)}"


LONGEST_WINDOW = 90 * 86_400
"""The longest window in seconds, 90 days: a longer one would make the count's query slow."""


def parse_fraud_rules(file: PolicyText, table: FraudTable) -> FraudRules:
    """The fraud rules of this table. Raises InvalidPolicy naming key and line."""
    if table.review_at > table.block_at:
        raise file.error_at(("fraud", "review_at"), f"{table.review_at} is above block_at, which is {table.block_at}")
    return FraudRules(
        **table.model_dump(exclude={"window", "burst_window", "scores"}),
        window_seconds=_parse_window(file, "window", table.window),
        burst_window_seconds=_parse_window(file, "burst_window", table.burst_window),
        scores={**SHIPPED_SCORES, **table.scores},
    )


def _parse_window(file: PolicyText, key: str, text: str) -> int:
    try:
        length = parse_duration(text)
    except InvalidPolicy as error:
        raise file.error_at(("fraud", key), str(error)) from error
    if length > LONGEST_WINDOW:
        raise file.error_at(("fraud", key), f"{text} is longer than 90d")
    return length
