"""What the synthetic source believes: the shipped numbers, those that a user replaces, and where each comes from."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from math import fsum
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import BaseModel, ValidationError, model_validator

from core.classifier.taxonomy import Cause
from core.errors import InvalidInput
from core.retry.toml_lines import line_of
from simulator import beliefs
from simulator.beliefs import Line
from simulator.outcomes import CAUSES, Outcomes
from simulator.result import Assumption
from simulator.shapes import TOLERANCE, Table

SHIPPED: Final = "assumptions.toml"
YOURS: Final = "replaced by you: as good as what you know"
_NOTES: Final = ("source", "weakness")
_SELF_RECOVERY: Final = "self_recovery"


class Assumptions(Table):
    """All sections of the file."""

    reason_mix: beliefs.Shares
    failures: beliefs.Failures
    networks: beliefs.Shares
    countries: beliefs.Places
    amounts: beliefs.Amounts
    customers: beliefs.Customers
    priors: beliefs.Priors
    arrivals: beliefs.Arrivals
    base: beliefs.ByCause
    attempts: beliefs.ByAttempt
    delays: beliefs.ByDelay
    hours: beliefs.ByHour
    weekdays: beliefs.ByWeekday
    payday: beliefs.OneFactor
    cap: beliefs.OneChance
    new_method: beliefs.NewMethod
    messages: beliefs.Messages
    answers: beliefs.Answers
    answer_times: beliefs.Steps
    self_recovery: beliefs.SelfRecovery
    self_recovery_times: beliefs.Steps
    sweep: beliefs.Sweep
    replaced: Mapping[str, str] = {}
    """The file that a number comes from, by the number's name, where it isn't the shipped one."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        for reason in self.reason_mix.shares:
            self._reported(reason)
        for one in self.failures.lines:
            _known("failures.lines", "reason", one.reason, self.reason_mix.shares)
            for network in one.networks:
                _known("failures.lines", "network", network, self.networks.shares)
        _answerable(self)
        return self

    def _reported(self, reason: str) -> None:
        """Every failure is reported in some way."""
        lines = [one for one in self.failures.lines if one.reason == reason]
        if not lines:
            raise ValueError(f"reason_mix.shares.{reason}: no line of failures.lines says how it is reported")
        groups = {name: [one for one in lines if one.fits(name)] for name in self.networks.shares}
        bare = [one for one in lines if not one.card]
        for name, group in ({"no card": bare} if bare else groups).items():
            total = fsum(one.share for one in group)
            if abs(total - 1) > TOLERANCE or (bare and len(bare) != len(lines)):
                raise ValueError(f"failures.lines: the shares of {reason} on {name} add up to {total:.10g}, not 1")

    @cached_property
    def kinds(self) -> tuple[tuple[Line, str | None, float], ...]:
        """Every way to fail with its network and its share of all failures."""
        found = (
            (line, network, self.reason_mix.shares[line.reason] * share * line.share)
            for line in self.failures.lines
            for network, share in (self.networks.shares.items() if line.card else ((None, 1.0),))
            if network is None or line.fits(network)
        )
        return tuple(found)

    @cached_property
    def by_cause(self) -> Mapping[Cause, float]:
        """Share of all failures, by what is really the matter."""
        return {cause: fsum(share for line, _, share in self.kinds if line.cause is cause) for cause in Cause}

    def answering(self, cause: Cause) -> float:
        """The share of customers who answer one of the messages. Over all failures its mean is `messages.total`."""
        mean = fsum(share * self.answers.causes[one].willing for one, share in self.by_cause.items())
        return self.messages.total * self.answers.causes[cause].willing / mean if mean else 0.0

    def outcomes(self) -> Outcomes:
        """The table of chances."""
        return Outcomes(
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
        """The same with other shares of customers who pay by themselves."""
        changed = self.self_recovery.model_copy(update={"soft": soft, "hard": hard})
        return self.model_copy(update={_SELF_RECOVERY: changed})

    def listed(self) -> tuple[Assumption, ...]:
        """Every number with its name, its source and its weakness."""
        return tuple(self._listed())

    def _listed(self) -> Iterator[Assumption]:
        for name in type(self).model_fields:
            section = getattr(self, name)
            for path, text in _leaves(name, section) if isinstance(section, beliefs.Section) else ():
                file = self.replaced.get(path)
                source, weakness = (file, YOURS) if file else (section.source, section.weakness)
                yield Assumption(name=path, value=text, source=source, weakness=weakness)


def shipped() -> Assumptions:
    """The numbers of the package."""
    return load(None)


def load(path: Path | None) -> Assumptions:
    """The shipped numbers, with those of the file in their place. Raises InvalidInput naming file, line and key."""
    text = files("simulator").joinpath(SHIPPED).read_text(encoding="utf-8")
    default = _parsed(text, SHIPPED)
    if path is None:
        return _checked(default, text, SHIPPED)
    try:
        own = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from error
    wanted = _parsed(own, str(path))
    merged = _merged(default, wanted)
    before, after = (_checked(one, own, str(path)) for one in (default, merged))
    return after.model_copy(update={"replaced": _replaced(before, after, str(path))})


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{name}: {error}") from error


def _merged(default: Any, wanted: Any) -> Any:
    """Tables key by key, all else as a whole."""
    if not isinstance(default, dict) or not isinstance(wanted, dict):
        return wanted
    return {**default, **{key: _merged(default.get(key), value) for key, value in wanted.items()}}


def _checked(table: dict[str, Any], text: str, name: str) -> Assumptions:
    if "replaced" in table:
        raise InvalidInput(f"{name}: replaced: Extra inputs are not permitted")
    try:
        return Assumptions.model_validate(table)
    except ValidationError as error:
        raise InvalidInput("; ".join(_words(one, text, name) for one in error.errors())) from error


def _words(error: Any, text: str, name: str) -> str:
    """One error with file, line and key; checks over several sections name their keys themselves."""
    path = tuple(error["loc"])
    line = line_of(text, path) if path else None
    sentence = str(error["msg"]).removeprefix("Value error, ")
    return ": ".join([f"{name}:{line}" if line else name, *([".".join(map(str, path))] if path else []), sentence])


def _replaced(before: Assumptions, after: Assumptions, file: str) -> dict[str, str]:
    """Which numbers differ, and who says so: the file, or the source that it gives."""
    old = {one.name: one.value for one in before.listed()}
    changed = [one for one in after.listed() if old.get(one.name) != one.value]
    return {one.name: _said(before, after, one, file) for one in changed}


def _said(before: Assumptions, after: Assumptions, one: Assumption, file: str) -> str:
    section = one.name.partition(".")[0]
    return f"{file}: {one.source}" if getattr(after, section).source != getattr(before, section).source else file


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Names and texts of all numbers below a value; a list of plain numbers is one of them."""
    if isinstance(value, BaseModel):
        value = {key: one for key, one in value if key not in _NOTES}
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(f"{name}.{key}", one)
    elif isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        for number, one in enumerate(value, 1):
            yield f"{name}.{number}", _row(one)
    else:
        yield name, _text(value)


def _row(table: BaseModel) -> str:
    """One row of a list, what isn't said left out."""
    said = ((key, one) for key, one in table if key in table.model_fields_set)
    return ", ".join(f"{key} {_text(one)}" for key, one in said)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(map(_text, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _known(where: str, what: str, name: str, names: Mapping[str, float]) -> None:
    if name not in names:
        raise ValueError(f"{where}: there is no {what} {name!r}; there are {', '.join(names)}")


def _answerable(believed: Assumptions) -> None:
    for cause in Cause:
        share = believed.answering(cause)
        if share > 1:
            raise ValueError(f"answers.causes.{cause}: {share:.2f} of the customers would answer, more than all")
