"""Campaigns in the policy file: valid ones, and the errors of invalid ones."""

import pytest

from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.messages.campaigns import QuietHours
from core.messages.kinds import CAUSES_BY_KIND, MessageKind
from core.policy.policy import Policy, parse_policy

CAMPAIGN = """
[campaigns.brief]
channels = ["sms", "email"]
quiet_hours = "22:00-07:30"
ended = false

[campaigns.brief.messages]
INSUFFICIENT_FUNDS = [
    { kind = "payment_failed", after = "2h" },
    { kind = "last_warning", before_end = "1d", channels = ["email"] },
]
"""


def test_a_campaign_is_read_as_it_is_written(shipped_text: str) -> None:
    campaign = parse_policy(shipped_text + CAMPAIGN, "p.toml").campaigns["brief"]
    first, last = campaign.messages[Cause.INSUFFICIENT_FUNDS]
    assert (campaign.quiet, campaign.recovered, campaign.ended) == (
        QuietHours(begins=22 * 60, ends=7 * 60 + 30),
        True,
        False,
    )
    assert (first.kind, first.after_seconds, first.channels) == (MessageKind.PAYMENT_FAILED, 7200, ("sms", "email"))
    assert (last.before_end_seconds, last.channels) == (86_400, ("email",))


@pytest.mark.parametrize(
    ("before", "after", "line", "problem"),
    [
        ('"payment_failed", after = "2h"', '"card_data"', 8, "'card_data' does not fit a failure of cause INSUFF"),
        ('"payment_failed", after = "2h"', '"recovered"', 8, "does not fit"),
        ('after = "2h"', 'after = "soon"', 8, "is no length of time"),
        ('after = "2h"', 'before_end = "2h"', 8, "needs `before_end`, every other kind"),
        ('before_end = "1d"', 'after = "1d"', 9, "`last_warning` needs `before_end`"),
        ('before_end = "1d"', 'before_end = "1d", after = "1d"', 9, "`last_warning` needs `before_end`"),
        ('"22:00-07:30"', '"22-7"', 3, "write it like 21:00-08:00"),
        ('"22:00-07:30"', '"22:00-22:00"', 3, "write it like 21:00-08:00"),
        ('["sms", "email"]', '["E-Mail!"]', 2, "should match pattern"),
        ('["sms", "email"]', "[]", 2, "at least 1 item"),
        ("INSUFFICIENT_FUNDS = [", "CONFIGURATION = [", 8, "no message is sent then"),
        ("INSUFFICIENT_FUNDS = [", "NO_SUCH_CAUSE = [", 7, "Input should be"),
        ("ended = false", "endet = false", 4, "Extra inputs"),
    ],
)
def test_campaign_error_names_file_line_and_key(
    shipped_text: str, before: str, after: str, line: int, problem: str
) -> None:
    at = len(shipped_text.splitlines()) + 1 + line
    with pytest.raises(InvalidPolicy, match=problem.replace("(", r"\(")) as excinfo:
        parse_policy(shipped_text + CAMPAIGN.replace(before, after, 1), "p.toml")
    assert f"p.toml:{at}: campaigns.brief" in str(excinfo.value)


def test_segment_must_name_an_existing_campaign(shipped_text: str) -> None:
    text = shipped_text.replace("tenure_days_max = 30 }", 'tenure_days_max = 30 }\ncampaign = "gone"')
    with pytest.raises(InvalidPolicy, match=r"segments\.1\.campaign: there is no \[campaigns\.gone\]"):
        parse_policy(text, "p.toml")


def test_policy_without_campaigns_sends_nothing_and_may_name_any(shipped_text: str) -> None:
    text = shipped_text[: shipped_text.index("[campaigns.default]")] + shipped_text[shipped_text.index("[overrides]") :]
    assert parse_policy(text.replace("important = true", 'campaign = "theirs"'), "p.toml").campaigns == {}


def test_shipped_campaign_mentions_cards_only_for_card_causes(shipped: Policy) -> None:
    campaign = shipped.campaigns["default"]
    for cause, steps in campaign.messages.items():
        assert all(cause in CAUSES_BY_KIND[step.kind] for step in steps)
        assert not [step for step in steps if step.kind is MessageKind.CARD_DATA and cause is not Cause.CARD_DATA]
    assert {Cause.STOP_INSTRUCTION, Cause.CONFIGURATION}.isdisjoint(campaign.messages)


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize("cause", Cause)
def test_no_campaign_can_choose_a_template_that_does_not_fit_its_cause(
    shipped_text: str, kind: MessageKind, cause: Cause
) -> None:
    when = 'before_end = "1d"' if kind is MessageKind.LAST_WARNING else 'after = "1d"'
    text = f'{shipped_text}\n[campaigns.x.messages]\n{cause} = [{{ kind = "{kind}", {when} }}]\n'
    if cause in CAUSES_BY_KIND.get(kind, frozenset()):
        assert parse_policy(text, "p.toml").campaigns["x"].messages[cause]
    else:
        with pytest.raises(InvalidPolicy, match="does not fit"):
            parse_policy(text, "p.toml")
