"""Card numbers, e-mail addresses and secrets are gone from any text; everything else stays."""

import unicodedata
from datetime import date, time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.redaction.issuer_ranges import ISSUER_RANGES, LENGTHS
from core.redaction.text import REDACTED, redact_name, redact_number, redact_text

SEPARATORS = (
    "", " ", "-", ".", "/", "_", ",", "\u00a0", "\u200b", "\u2009", "\ufeff", "\u2010", " - ", "\n", "\t", "+",
    "%20", "%C2%A0", "%2520", "&nbsp;", "&#160;", "\\u00a0", "\\n",
)  # fmt: skip
DIGITS = ("0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
# No "%" and no backslash either, with which the first digits would be an encoded letter.
WITHOUT_DIGITS = st.text(st.characters(exclude_categories=["Nd", "No", "Cs"], exclude_characters="%&\\"), max_size=30)


def luhn_digit(payload: str) -> str:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in payload[::-2])
    return str(-(sum(doubled) + sum(map(int, payload[-2::-2]))) % 10)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """A number of one of the schemes, with a valid check digit."""
    issuer = draw(st.sampled_from(ISSUER_RANGES))
    prefix = str(draw(st.integers(issuer.first, issuer.last)))
    length = draw(st.sampled_from(issuer.lengths))
    more = draw(st.text("0123456789", min_size=length - 5, max_size=length - 5))
    return prefix + more + luhn_digit(prefix + more)


@st.composite
def written_cards(draw: st.DrawFn) -> str:
    """A card number in one of the many ways to write it."""
    number = draw(card_numbers())
    script = draw(st.sampled_from(DIGITS))
    gaps = draw(st.lists(st.sampled_from(SEPARATORS), min_size=len(number) - 1, max_size=len(number) - 1))
    letters = [script[int(digit)] for digit in number]
    return "".join(letter + gap for letter, gap in zip(letters, [*gaps, ""], strict=True))


@given(WITHOUT_DIGITS, written_cards(), WITHOUT_DIGITS)
def test_a_card_number_is_gone_however_it_is_written(before: str, written: str, after: str) -> None:
    redacted = redact_text(before + written + after)
    assert REDACTED in redacted
    assert [letter for letter in redacted if unicodedata.digit(letter, None) is not None] == []


@given(st.text(max_size=30), card_numbers(), st.text(max_size=30))
def test_a_card_number_is_gone_from_any_text(before: str, number: str, after: str) -> None:
    assert number not in redact_text(before + number + after)


@given(st.text() | st.text("0123456789 -./=@%:_aAsk", max_size=80))
@example("authorization: abcdefgh hello world")
@example("password=aaaa" + "b" * 500)
@example("://a:b c@d://e:f@g.de")
def test_redaction_is_idempotent(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


SECRETS = [
    ("mail to jenny.rosen+x@example.co.uk now", "jenny"),
    ("Jürgen: jürgen@bücher.example", "jürgen"),
    ("to=jenny%40example.com&x", "jenny"),
    ("to=jenny%2540example%2ecom", "jenny"),
    (r"jenny\u0040example.com", "jenny"),
    (r"jenny\\u0040example.com", "jenny"),
    ("jenny&#64;example.com or jenny&#x40;example.com", "jenny"),
    ("jenny&commat;example&period;com", "jenny"),
    ("jenny＠example．com", "jenny"),
    ("sk_live_51HabcDEF", "51Hab"),
    ("STRIPE_KEY=rk_test_51HabcDEF", "51Hab"),
    ("sk_org_live_51HabcDEF", "51Hab"),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ"),
    ("seti_1Mm8s8_secret_NYnEfzQ8", "NYnE"),
    ("pri_0a1b2c3d_Zm9vYmFyYmF6cXV4", "Zm9v"),
    ("AQEyhmfxK4zJbBZDw0m/n3Q5qf3VaY9UCJ1+XWZe9W27jmlZ-x1b=-i1{<;F*", "x1b"),
    ("44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056", "44782"),
    ("access_token$production$5zx8fqz6hp5ggzwf$0b5d1d7c3ae8", "0b5d"),
    ("braintree private_key=4f5a0fd1c2", "4f5a"),
    ("xoxb-2345678901-abcdefGHIJ", "abcdef"),
    ("https://hooks.slack.com/services/T0/B0/XXXyyy111", "XXXyyy"),
    ("slack://TokenA/TokenB/TokenC/#ops", "TokenB"),
    ("twilio://AC12:auth@+15551230000/+15551230001", "auth"),
    ("AC0123456789abcdef0123456789abcdef", "0123"),
    ("SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf09kqeF8tA", "ngeV"),
    ("AKIAIOSFODNN7EXAMPLE", "IOSF"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3", "dozj"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END", "MIIE"),
    ("password=hunter2", "hunter2"),
    ("the password is: no, password: 'hunter2 and more'", "hunter2"),
    ('{"password": "hunter2"}', "hunter2"),
    ("passwort=hunter2 pwd=hunter2 apikey = hunter2", "hunter2"),
    ("the CVC: 123", "123"),
    ("Authorization: Bearer abcdef.ghi-jkl", "abcdef"),
    ("authorization=Basic YWRtaW46YWRtaW4=", "YWRtaW4"),
    ("{'Authorization': 'Bearer abcdef123'}", "abcdef123"),
    ("basic YWRtaW46YWRtaW4=", "YWRtaW4"),
    ("postgresql://writer:hunter2@db.internal/pri", "hunter2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secrets_and_addresses_are_gone(text: str, secret: str) -> None:
    assert secret not in redact_text(f"reason: {text}, please")
    assert REDACTED in redact_text(text)
    assert secret not in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customer moved to the basic plan, retry after payday",
        "invoice in_1PqrsT waits until 2026-09-01T12:00:00.123456Z",
        "asked again on 2026-11-28 10:45:00 and 2026-11-29",
        "4242424242424241 passes no check",
        "9000000000000001 begins like no card, though it passes",
        "recovery-stripe-in_1 attempt 3 of 8",
        "amount 4900 EUR at 1795348800",
        "a disk_usage of 93 and a task_id of risk_team",
        "803 : PaymentDetail not found",
        "51 : Insufficient funds/over credit limit",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "550e8400-e29b-41d4-a716-446655440000",
        "100% of 4242",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact_text(text) == text


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.times(), st.sampled_from("T "))
def test_times_stay(day: date, clock: time, separator: str) -> None:
    text = f"from {day}{separator}{clock.isoformat('microseconds')}Z until {day}"
    assert redact_text(text) == text


def test_a_password_in_an_address_leaves_the_host_readable() -> None:
    assert (
        redact_text("postgresql://writer:hunter2@db.internal/pri") == f"postgresql://writer:{REDACTED}@db.internal/pri"
    )


def test_names_of_people_may_be_addresses() -> None:
    assert redact_name("ann@shop.example") == "ann@shop.example"
    assert redact_name("ann 4242 4242 4242 4242 sk_live_51HabcDEF") == f"ann {REDACTED} {REDACTED}"


def test_numbers() -> None:
    assert redact_number(4242424242424242) == REDACTED
    assert redact_number(-4242424242424242) == REDACTED
    assert redact_number(4242424242424241) == 4242424242424241
    assert redact_number(1795348800123456) == 1795348800123456


def test_ranges_name_four_digits_and_lengths_of_card_numbers() -> None:
    assert all(1000 <= issuer.first <= issuer.last <= 9999 for issuer in ISSUER_RANGES)
    assert all(13 <= length <= 19 for lengths in LENGTHS.values() for length in lengths)
    assert all(len(lengths) <= 7 for lengths in LENGTHS.values())
    assert LENGTHS[4242] == (13, 16, 18, 19)
    assert 2220 not in LENGTHS
    assert 2721 not in LENGTHS
