"""The assumptions of the synthetic source: shipped numbers, a user's replacements, and the source of each."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from math import fsum
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import BaseModel, ValidationError, model_validator

from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.problem_list import join_problems
from core.toml_text import KeyLines, parse_toml
from simulator.model import assumption_schema
from simulator.model.assumption_schema import DeclinePattern
from simulator.model.number_shapes import TOLERANCE, SchemaTable
from simulator.model.source import Assumption
from simulator.model.success_chances import CAUSES, OutcomeChances

SHIPPED_FILE: Final = "assumptions.toml"
REPLACED_WEAKNESS: Final = "replaced by you: as good as what you know"
_NOTES: Final = ("source", "weakness")
_SELF_RECOVERY: Final = "self_recovery"


class Assumptions(SchemaTable):
    """All sections of the assumptions file. Immutable; validated as a whole."""

    reason_mix: assumption_schema.Shares
    failures: assumption_schema.Failures
    networks: assumption_schema.Shares
    countries: assumption_schema.Places
    amounts: assumption_schema.Amounts
    customers: assumption_schema.Customers
    priors: assumption_schema.Priors
    arrivals: assumption_schema.Arrivals
    base: assumption_schema.ByCause
    attempts: assumption_schema.ByAttempt
    delays: assumption_schema.ByDelay
    hours: assumption_schema.ByHour
    weekdays: assumption_schema.ByWeekday
    payday: assumption_schema.SingleFactor
    cap: assumption_schema.SingleChance
    new_method: assumption_schema.NewMethod
    messages: assumption_schema.Messages
    answers: assumption_schema.Answers
    answer_times: assumption_schema.Steps
    self_recovery: assumption_schema.SelfRecovery
    self_recovery_times: assumption_schema.Steps
    sweep: assumption_schema.Sweep
    replaced: Mapping[str, str] = {}
    """By number name: the file that replaced the shipped number."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        for reason in self.reason_mix.shares:
            self._check_reporting(reason)
        for one in self.failures.lines:
            _require_name("failures.lines", "reason", one.reason, self.reason_mix.shares)
            for network in one.networks:
                _require_name("failures.lines", "network", network, self.networks.shares)
        _check_answering_shares(self)
        return self

    def _check_reporting(self, reason: str) -> None:
        """Raises ValueError unless the ways of reporting this reason add up to 1 on every network."""
        lines = [one for one in self.failures.lines if one.reason == reason]
        if not lines:
            raise ValueError(f"reason_mix.shares.{reason}: no line of failures.lines says how it is reported")
        groups = {name: [one for one in lines if one.fits_network(name)] for name in self.networks.shares}
        bare = [one for one in lines if not one.card]
        for name, group in ({"no card": bare} if bare else groups).items():
            total = fsum(one.share for one in group)
            if abs(total - 1) > TOLERANCE or (bare and len(bare) != len(lines)):
                raise ValueError(f"failures.lines: the shares of {reason} on {name} add up to {total:.10g}, not 1")

    @cached_property
    def failure_kinds(self) -> tuple[tuple[DeclinePattern, str | None, float], ...]:
        """Every decline pattern with its network, None for no card, and its share of all failures."""
        found = (
            (line, network, self.reason_mix.shares[line.reason] * share * line.share)
            for line in self.failures.lines
            for network, share in (self.networks.shares.items() if line.card else ((None, 1.0),))
            if network is None or line.fits_network(network)
        )
        return tuple(found)

    @cached_property
    def by_cause(self) -> Mapping[Cause, float]:
        """Share of all failures, by true cause."""
        return {cause: fsum(share for line, _, share in self.failure_kinds if line.cause is cause) for cause in Cause}

    def answering_share(self, cause: Cause) -> float:
        """The share of customers who answer a message; its mean over all failures is `messages.total_share`."""
        mean = fsum(share * self.answers.causes[one].willing for one, share in self.by_cause.items())
        return self.messages.total_share * self.answers.causes[cause].willing / mean if mean else 0.0

    def to_outcome_chances(self) -> OutcomeChances:
        """The chances as arrays, in the order of `success_chances.CAUSES`."""
        return OutcomeChances(
            base=np.array([self.base.chances[cause] for cause in CAUSES], dtype=np.float64),
            attempts=np.array(self.attempts.factors, dtype=np.float64),
            delays=np.array(self.delays.factors, dtype=np.float64),
            hours=np.array(self.hours.factors, dtype=np.float64),
            weekdays=np.array(self.weekdays.factors, dtype=np.float64),
            payday=self.payday.factor,
            cap=self.cap.chance,
            new_method=self.new_method.chance,
            new_method_code=self.new_method.code,
        )

    def with_baseline(self, soft: float, hard: float) -> "Assumptions":
        """The same with other shares of customers who pay by themselves, after soft and hard declines."""
        changed = self.self_recovery.model_copy(update={"soft": soft, "hard": hard})
        return self.model_copy(update={_SELF_RECOVERY: changed})

    def list_numbers(self) -> tuple[Assumption, ...]:
        """Every number with its dotted name, its source and its weakness, in the order of the file."""
        return tuple(self._iterate_numbers())

    def _iterate_numbers(self) -> Iterator[Assumption]:
        for name in type(self).model_fields:
            section = getattr(self, name)
            for path, text in _walk_numbers(name, section) if isinstance(section, assumption_schema.Section) else ():
                file = self.replaced.get(path)
                source, weakness = (file, REPLACED_WEAKNESS) if file else (section.source, section.weakness)
                yield Assumption(name=path, value=text, source=source, weakness=weakness)


def load_shipped_assumptions() -> Assumptions:
    """The assumptions that the package ships."""
    return load_assumptions(None)


def load_assumptions(path: Path | None) -> Assumptions:
    """The shipped assumptions with the file's numbers in their place. Raises InvalidInput naming file, line and key."""
    text = files("simulator.model").joinpath(SHIPPED_FILE).read_text(encoding="utf-8")
    default = _parse_toml(text, SHIPPED_FILE)
    if path is None:
        return _validate_table(default, text, SHIPPED_FILE)
    try:
        own = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from error
    wanted = _parse_toml(own, str(path))
    merged = _merge_tables(default, wanted)
    before, after = (_validate_table(one, own, str(path)) for one in (default, merged))
    return after.model_copy(update={"replaced": _find_replaced_numbers(before, after, str(path))})


def _parse_toml(text: str, name: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as error:
        raise InvalidInput(f"{name}: {error}") from error


def _merge_tables(default: Any, wanted: Any) -> Any:
    """`wanted` over `default`: tables are merged key by key, other values and lists are replaced as a whole."""
    if not isinstance(default, dict) or not isinstance(wanted, dict):
        return wanted
    return {**default, **{key: _merge_tables(default.get(key), value) for key, value in wanted.items()}}


def _validate_table(table: dict[str, Any], text: str, name: str) -> Assumptions:
    if "replaced" in table:
        raise InvalidInput(f"{name}: replaced: Extra inputs are not permitted")
    try:
        return Assumptions.model_validate(table)
    except ValidationError as error:
        lines = KeyLines(text)
        problems = (_describe_error(one, lines, name) for one in error.errors(include_input=False))
        raise InvalidInput(join_problems(problems, error.error_count())) from error


def _describe_error(error: Any, lines: KeyLines, name: str) -> str:
    """One validation error with file, line and key; checks across sections name their keys in the message."""
    path = tuple(error["loc"])
    line = lines.nearest_line(path) if path else None
    sentence = str(error["msg"]).removeprefix("Value error, ")
    return ": ".join([f"{name}:{line}" if line else name, *([".".join(map(str, path))] if path else []), sentence])


def _find_replaced_numbers(before: Assumptions, after: Assumptions, file: str) -> dict[str, str]:
    """By name of each number that differs: the file, with the source that its section gives, if any."""
    old = {one.name: one.value for one in before.list_numbers()}
    changed = [one for one in after.list_numbers() if old.get(one.name) != one.value]
    return {one.name: _name_source(before, after, one, file) for one in changed}


def _name_source(before: Assumptions, after: Assumptions, one: Assumption, file: str) -> str:
    section = one.name.partition(".")[0]
    return f"{file}: {one.source}" if getattr(after, section).source != getattr(before, section).source else file


def _walk_numbers(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Dotted name and text of every number in a value; a list of plain numbers counts as one."""
    if isinstance(value, BaseModel):
        value = {key: one for key, one in value if key not in _NOTES}
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _walk_numbers(f"{name}.{key}", one)
    elif isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        for number, one in enumerate(value, 1):
            yield f"{name}.{number}", _format_row(one)
    else:
        yield name, _format_value(value)


def _format_row(table: BaseModel) -> str:
    """One row of a list as text, without the fields that the file doesn't set."""
    given_values = ((key, one) for key, one in table if key in table.model_fields_set)
    return ", ".join(f"{key} {_format_value(one)}" for key, one in given_values)


def _format_value(value: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(map(_format_value, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _require_name(where: str, what: str, name: str, names: Mapping[str, float]) -> None:
    if name not in names:
        raise ValueError(f"{where}: there is no {what} {name!r}; there are {', '.join(names)}")


def _check_answering_shares(assumptions: Assumptions) -> None:
    for cause in Cause:
        share = assumptions.answering_share(cause)
        if share > 1:
            raise ValueError(f"answers.causes.{cause}: {share:.2f} of the customers would answer, more than all")
