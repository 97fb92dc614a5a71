"""The shape of the policy file, and how an error in it is told: file, line, key and what is wrong."""

import tomllib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.approvals import OperatorRules
from core.classifier.taxonomy import Cause
from core.errors import InvalidPolicy
from core.fraud.table import FraudTable
from core.messages.table import CampaignTable
from core.retry.scope import AttachedMethodHandling, CollectionHandling, ScopeRule, UncollectibleHandling
from core.retry.toml_lines import KeyPath, find_line

PolicyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Attempts = Annotated[int, Field(strict=True, ge=0, le=20)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Days = Annotated[int, Field(strict=True, ge=1, le=365)]


class _StrictTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StrategyTable(BaseModel):
    """One `[strategies.NAME]`: the class to use; every other key is its setting."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str


class FallbackTable(_StrictTable):
    """`[fallback]`: the settings of a fixed ladder."""

    delays: list[str]
    jitter_percent: int = 0


class SegmentTable(_StrictTable):
    """One `[[segments]]`; what is None is taken from the default segment."""

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
    """What an arm of an experiment does differently."""

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
    """`[operators]`: what people may do on their own; money in minor units, by currency."""

    second_approver_above: dict[Currency, Annotated[int, Field(strict=True, ge=0)]] = {}
    retries_per_hour: Annotated[int, Field(strict=True, ge=1, le=10_000)] = OperatorRules().retries_per_hour


class ScopeTable(_StrictTable):
    """`[scope]`: which invoices are taken."""

    take: list[ScopeRule] = []
    paused: CollectionHandling = CollectionHandling.WAIT
    ending: CollectionHandling = CollectionHandling.COLLECT
    uncollectible: UncollectibleHandling = UncollectibleHandling.STOP


class MethodsTable(_StrictTable):
    """`[methods]`: what a new payment method is taken for."""

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
    """A policy file's text under its name: reads it, and words what is wrong with it."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name

    def read_table(self) -> PolicyTable:
        """The file in its shape. Raises InvalidPolicy naming everything that doesn't fit."""
        try:
            return PolicyTable.model_validate(tomllib.loads(self._text))
        except tomllib.TOMLDecodeError as error:
            raise InvalidPolicy(f"{self._name}: {error}") from error
        except ValidationError as error:
            problems = (self._format_error(tuple(one["loc"]), one["msg"]) for one in error.errors())
            raise InvalidPolicy("; ".join(problems)) from error

    def error_at(self, path: KeyPath, sentence: str) -> InvalidPolicy:
        """An error about the key at this path."""
        return InvalidPolicy(self._format_error(path, sentence))

    def _format_error(self, path: KeyPath, sentence: str) -> str:
        line = find_line(self._text, path)
        place = f"{self._name}:{line}" if line else self._name
        return f"{place}: {'.'.join(map(str, path))}: {sentence}"
