"""Parses the `[campaigns.NAME]` tables of a policy file into campaigns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from core.classification.taxonomy import Cause, Chargeability
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.messages.campaigns import Campaign, CampaignStep, QuietHours
from core.messages.kinds import ABILITIES_BY_KIND, CAUSES_BY_KIND, MessageKind
from core.policy.schema import CampaignTable, MessageTable, PolicyTable, PolicyText
from core.toml_text import KeyPath

_HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def parse_campaigns(file: PolicyText, table: PolicyTable) -> dict[str, Campaign]:
    """The campaigns by name. Raises InvalidPolicy naming key and line, also for a missing campaign."""
    found = {name: _parse_campaign(file, name, one) for name, one in table.campaigns.items()}
    for path, name in _list_chosen_campaigns(table) if found else ():
        if name not in found:
            raise file.error_at(path, f"there is no [campaigns.{name}]")
    return found


def _list_chosen_campaigns(table: PolicyTable) -> Iterator[tuple[KeyPath, str]]:
    for index, segment in enumerate(table.segments):
        if segment.campaign:
            yield ("segments", index, "campaign"), segment.campaign
    for name, experiment in table.experiments.items():
        for arm, changes in experiment.arms.items():
            path = ("experiments", name, "arms", arm)
            if changes.campaign:
                yield (*path, "campaign"), changes.campaign
            for segment_name, one in changes.segments.items():
                if one.campaign:
                    yield (*path, "segments", segment_name, "campaign"), one.campaign


def _parse_campaign(file: PolicyText, name: str, one: CampaignTable) -> Campaign:
    path = ("campaigns", name)
    return Campaign(
        name=name,
        channels=tuple(one.channels),
        quiet=_parse_quiet_hours(file, (*path, "quiet_hours"), one.quiet_hours),
        messages={
            cause: _parse_steps(
                file, (*path, "messages", cause.value), _fitting_kinds(CAUSES_BY_KIND, cause), steps, one
            )
            for cause, steps in one.messages.items()
        },
        unable={
            able: _parse_steps(file, (*path, "unable", able.value), _fitting_kinds(ABILITIES_BY_KIND, able), steps, one)
            for able, steps in one.unable.items()
        },
        recovered=one.recovered,
        ended=one.ended,
    )


def _parse_quiet_hours(file: PolicyText, path: KeyPath, text: str | None) -> QuietHours | None:
    if text is None:
        return None
    found = _HOURS.fullmatch(text)
    if not found or found[1] + found[2] == found[3] + found[4]:
        raise file.error_at(path, f"{text!r} is no span of hours; write it like 21:00-08:00")
    hours = [int(part) for part in found.groups()]
    return QuietHours(begins=hours[0] * 60 + hours[1], ends=hours[2] * 60 + hours[3])


FailureTopic = TypeVar("FailureTopic", Cause, Chargeability)


def _fitting_kinds(table: Mapping[MessageKind, frozenset[FailureTopic]], topic: FailureTopic) -> Sequence[str]:
    return [kind.value for kind, topics in table.items() if topic in topics]


def _parse_steps(
    file: PolicyText, path: KeyPath, fitting: Sequence[str], steps: Sequence[MessageTable], campaign: CampaignTable
) -> tuple[CampaignStep, ...]:
    return tuple(_parse_step(file, (*path, at), fitting, step, campaign) for at, step in enumerate(steps))


def _parse_step(
    file: PolicyText, path: KeyPath, fitting: Sequence[str], step: MessageTable, campaign: CampaignTable
) -> CampaignStep:
    if step.kind.value not in fitting:
        some = f"; there are {', '.join(fitting)}" if fitting else ": no message is sent then"
        raise file.error_at((*path, "kind"), f"{step.kind.value!r} does not fit a failure of cause {path[-2]}{some}")
    warning = step.kind is MessageKind.LAST_WARNING
    if (step.before_end is not None) != warning or (warning and step.after is not None):
        raise file.error_at(path, "`last_warning` needs `before_end`, every other kind may have `after`")
    return CampaignStep(
        kind=step.kind,
        after_seconds=None if warning else _parse_offset(file, (*path, "after"), step.after or "0s"),
        before_end_seconds=_parse_offset(file, (*path, "before_end"), step.before_end) if step.before_end else None,
        channels=tuple(step.channels or campaign.channels),
    )


def _parse_offset(file: PolicyText, path: KeyPath, text: str) -> int:
    """A duration in seconds, 0 for `0s`, which other durations may not be."""
    try:
        return 0 if text == "0s" else parse_duration(text)
    except InvalidPolicy as error:
        raise file.error_at(path, str(error)) from error
