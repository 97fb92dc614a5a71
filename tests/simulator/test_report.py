"""The report: a self-contained page with every figure, which escapes untrusted text."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from simulator.model.source import Assumption
from simulator.report import render_report
from simulator.report.charts import build_curve, build_forest
from simulator.report.figures import render_comparison
from simulator.report.result import ArmResult, Result
from simulator.report.verdict import Conclusion, build_verdict
from simulator.report.wording import format_decimal, format_hours, format_money, format_percent, format_points
from tests.simulator.results import CANDIDATE, a_difference, a_result, an_arm

VOID_TAGS = {"meta", "br", "hr", "img", "input", "link", "line", "path"}
LOADING_ATTRIBUTES = {
    "src",
    "href",
    "srcset",
    "action",
    "poster",
    "data",
    "background",
    "formaction",
    "xlink:href",
    "ping",
}
MARKUP = "<script>alert(1)</script> & \"'</style></pre><img src=x onerror=y> {{ 7*7 }}"


class Page(HTMLParser):
    """The report parsed as far as these tests need."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.styles: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens a tag, which must be closed again."""
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Counts a self-closing tag."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        """Closes the innermost tag, which must have this name."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collects text outside of styles."""
        (self.styles if self.open and self.open[-1] == "style" else self.texts).append(data)

    @property
    def text(self) -> str:
        """The text with single spaces."""
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def page() -> Page:
    """The report of a complete result."""
    return Page(render_report(a_result()))


def test_report_is_well_formed_html(page: Page) -> None:
    assert page.open == []
    assert {"html", "head", "title", "body", "main", "table", "svg"} <= page.tags


def test_report_loads_no_resources(page: Page) -> None:
    names = {name for name, _ in page.attributes}
    assert not names & LOADING_ATTRIBUTES
    assert not [name for name in names if name.startswith("on")]
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "use", "image"}
    assert not [style for style in page.styles if re.search(r"url\(|@import|expression|image-set", style)]
    assert not [value for name, value in page.attributes if name == "style" and "(" in (value or "")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_the_same_result_gives_the_same_bytes_in_any_process() -> None:
    program = "from tests.simulator.results import a_result; from simulator.report import render_report; import sys; "
    argv = [sys.executable, "-c", program + "sys.stdout.buffer.write(render_report(a_result()).encode())"]
    pages = [
        subprocess.run(
            argv, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "LANG": lang}, capture_output=True, check=True
        )
        for seed, lang in (("1", "C"), ("2", "de_DE.UTF-8"))
    ]
    assert {page.stdout for page in pages} == {render_report(a_result()).encode()}


def expected_arm_figures(arm: ArmResult, currency: str) -> list[str]:
    """Every figure of an arm as the report shows it."""
    numbers = (
        arm.recovered, arm.charge_attempts, arm.blocked_by_network_rules, arm.extrapolated_attempts,
        arm.extrapolated_recoveries, *arm.ends.values(), *arm.recovered_by_day,
    )  # fmt: skip
    groups = (*arm.by_cause, *arm.by_segment)
    return [
        arm.policy_version,
        *(format_percent(rate) for rate in (arm.recovery_rate, arm.ci_low, arm.ci_high)),
        format_money(arm.amount_recovered, currency),
        format_money(arm.network_fees, "USD"),
        format_money(arm.network_fees_avoided, "USD"),
        f"{arm.attempts_per_recovery:.2f}",
        format_hours(arm.median_hours_to_recovery),
        *(f"{number:,}" for number in numbers),
        *arm.ends,
        *(group.name for group in groups),
        *(f"{group.recoveries:,}" for group in groups),
        *(f"{group.recovered:,}" for group in groups),
        *(format_percent(group.recovery_rate) for group in groups),
        *(format_money(group.amount_recovered, currency) for group in groups),
    ]


def expected_figures(result: Result) -> list[str]:
    """Every figure and text of a result as the report shows it."""
    gap, calibration = result.difference, result.calibration
    assert calibration is not None
    return [
        *(text for arm in result.arms for text in expected_arm_figures(arm, result.currency)),
        *(format_points(points) for points in (gap.recovery_rate, gap.ci_low, gap.ci_high)),
        *(
            format_money(amount, result.currency)
            for amount in (gap.amount_recovered, gap.amount_ci_low, gap.amount_ci_high)
        ),
        *(format_percent(share) for row in result.sensitivity for share in (row.soft, row.hard)),
        *(f"{row.recoveries:,} recoveries" for row in result.sensitivity),
        *(format_points(n) for row in result.sensitivity for n in (row.recovery_rate, row.ci_low, row.ci_high)),
        *(
            format_percent(rate)
            for rate in (calibration.real_rate, calibration.simulated_rate, calibration.version_share)
        ),
        *(format_points(points) for points in (calibration.gap, calibration.ci_low, calibration.ci_high)),
        f"{calibration.recoveries:,}",
        *calibration.warnings,
        *result.notes,
        *(
            text
            for assumption in result.assumptions
            for text in (assumption.value, assumption.source, assumption.weakness)
        ),
        *(part for assumption in result.assumptions for part in assumption.name.split(".", 1)),
        "2,345 attempts",
        "0 attempts",
        *result.policy_diff.splitlines(),
        str(result.seed),
        result.source,
        f"{result.recoveries:,}",
    ]


def test_report_shows_every_number_of_the_result(page: Page) -> None:
    missing = [
        text
        for text in expected_figures(a_result())
        if not re.search(rf"(?<![\d,.]){re.escape(text)}(?![\d])", page.text)
    ]
    assert missing == []


def test_untrusted_text_is_escaped() -> None:
    """Names of groups, ends, notes, sources and policies come from files that anybody may have written."""
    named = an_arm("baseline", by_cause=(CANDIDATE.by_cause[0].model_copy(update={"name": MARKUP}),), ends={MARKUP: 3})
    result = a_result(
        arms=(named, CANDIDATE),
        notes=(MARKUP,),
        source=MARKUP,
        policy_diff=f"+{MARKUP}\n",
        assumptions=(Assumption(name=MARKUP, value=MARKUP, source=MARKUP, weakness=MARKUP),),
    )
    plain, hostile = Page(render_report(a_result())), Page(render_report(result))
    assert hostile.tags == plain.tags
    assert {name for name, _ in hostile.attributes} == {name for name, _ in plain.attributes}
    assert hostile.open == []
    assert hostile.text.count(" ".join(MARKUP.split())) >= 8


VERDICTS = [
    (a_difference(0.01, 0.02, 0.03), Conclusion.BETTER, "wins back 2.00 more of every 100", "1.00 to 3.00"),
    (a_difference(-0.03, -0.02, -0.01), Conclusion.WORSE, "wins back 2.00 fewer of every 100", "1.00 to 3.00"),
    (a_difference(-0.01, 0.002, 0.014), Conclusion.UNDECIDED, "don't show whether", "between −1.00 and 1.40"),
    (a_difference(0.0, 0.01, 0.02), Conclusion.UNDECIDED, "don't show whether", "between 0.00 and 2.00"),
    (a_difference(0, 0, 0), Conclusion.SAME, "exactly zero", ""),
]


@pytest.mark.parametrize(("gap", "finding", "says", "interval"), VERDICTS)
def test_the_verdict_is_one_sentence_with_its_interval(
    gap: object, finding: Conclusion, says: str, interval: str
) -> None:
    result = a_result(difference=gap, sensitivity=())
    verdict = build_verdict(result)
    assert verdict.conclusion is finding
    assert says in verdict.sentence
    assert interval in verdict.sentence
    assert verdict.sentence.endswith(".")
    assert verdict.sentence.replace("'", "&#39;") in render_report(result)


def test_terminal_output_agrees_with_the_report() -> None:
    result = a_result()
    console = Console(width=200, record=True, file=StringIO())
    console.print(render_comparison(result))
    output = console.export_text()
    assert build_verdict(result).sentence in output
    for arm in result.arms:
        assert all(text in output for text in expected_arm_figures(arm, "EUR")[:8])
    assert "Caution: Only 88 percent" in output


def test_cautions_stand_beside_the_verdict() -> None:
    uncertain = a_result(sensitivity=(a_result().sensitivity[0].model_copy(update={"ci_low": -0.01}),))
    assert any("of customers who pay by themselves" in caution for caution in build_verdict(uncertain).cautions)
    guessed = a_result(arms=(an_arm("baseline"), CANDIDATE.model_copy(update={"extrapolated_recoveries": 100})))
    assert any("without a recorded attempt" in caution for caution in build_verdict(guessed).cautions)
    paying = {"recovered: charged": 501, "recovered: paid_elsewhere": 60}
    waiting = a_result(arms=(an_arm("baseline"), CANDIDATE.model_copy(update={"ends": paying})))
    assert any(
        caution.startswith("43 more customers paid by themselves") for caution in build_verdict(waiting).cautions
    )
    calm = a_result(calibration=None)
    assert build_verdict(calm).cautions == ()


def test_missing_inputs_are_named() -> None:
    empty = an_arm("baseline", recovered_by_day=(), median_hours_to_recovery=None, ends={})
    bare = a_result(
        calibration=None, sensitivity=(), assumptions=(), notes=(), policy_diff="", currency="JPY",
        arms=(empty, empty),
    )  # fmt: skip
    page = Page(render_report(bare))
    assert page.open == []
    assert "nothing was recorded that the model could be held against" in page.text
    assert "The two policy files are the same." in page.text
    assert "98,765,432 JPY" in page.text


MONEY = [(0, "EUR", "0.00 EUR"), (-5, "usd", "−0.05 USD"), (123_456, "JPY", "123,456 JPY"), (1_234, "KWD", "1.234 KWD")]


@pytest.mark.parametrize(("amount", "currency", "text"), MONEY)
def test_money_is_written_as_its_currency_is(amount: int, currency: str, text: str) -> None:
    assert format_money(amount, currency) == text


@pytest.mark.parametrize(
    ("hours", "text"), [(None, "–"), (0, "0 s"), (61.5, "2 d 13 h"), (47.9, "1 d 23 h"), (-0.4, "−24 min")]
)
def test_lengths_of_time_have_two_units(hours: float | None, text: str) -> None:
    assert format_hours(hours) == text


def test_shares_and_differences_have_two_digits_and_a_wide_minus() -> None:
    assert (format_percent(0.0004), format_percent(0.9996)) == ("0.04%", "99.96%")
    assert [format_points(one) for one in (0.0014, -0.0014, 0)] == ["+0.14", "−0.14", "0.00"]
    assert [format_decimal(one) for one in (1.239, -1.239, -0.001)] == ["1.24", "−1.24", "0.00"]


shares = st.floats(-1, 1, allow_nan=False)


@given(
    st.lists(st.tuples(shares, shares, shares).map(lambda interval: tuple(sorted(interval))), min_size=1, max_size=6)
)
def test_intervals_lie_within_their_axis(intervals: list[tuple[float, float, float]]) -> None:
    forest = build_forest(intervals)
    for whisker in forest.whiskers:
        assert -0.01 <= whisker.low <= whisker.dot <= whisker.high <= 100.01
    assert 0 <= forest.zero <= 100
    assert 2 <= len(forest.ticks) <= 13
    assert [tick.at for tick in forest.ticks] == sorted(tick.at for tick in forest.ticks)


growing = st.lists(st.floats(0, 1, allow_nan=False), min_size=2, max_size=80).map(sorted)


@given(growing)
def test_curve_stays_in_its_box_and_is_monotonic(line: list[float]) -> None:
    curve = build_curve(line, line)
    assert curve.before == curve.after
    heights = [float(point.split()[1]) for point in curve.before[1:].split(" L")]
    assert all(-0.01 <= height <= 100.01 for height in heights)
    assert all(height >= other for height, other in pairwise(heights))
    assert curve.days[0].label == "0"
    assert all(0 <= tick.at <= 100.01 for tick in (*curve.days, *curve.shares))
