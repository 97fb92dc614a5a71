"""Every regular expression of the product: those that meet text from outside, with how they are used, and our own.

Outside means: a request, a provider's body, a customer's contact, a file that somebody uploads or imports. A method's
name is that of `re.Pattern`; the attacks are beginnings, repeated texts and endings that made such patterns slow.
"""

from typing import Final, NamedTuple


class Attack(NamedTuple):
    """A text: `before`, `unit` as often as wished, `after`."""

    unit: str
    before: str = ""
    after: str = "\x00"

    def text_of(self, length: int) -> str:
        """The text with about this many characters."""
        return self.before + self.unit * (length // len(self.unit)) + self.after


USUAL_ATTACKS: Final = tuple(
    Attack(unit)
    for unit in (
        "a",
        "A",
        "1",
        " ",
        "_",
        "-",
        ".",
        "@",
        ":",
        '"',
        "\\",
        "=",
        "[",
        "aA",
        "a_",
        "a.",
        "a@",
        "1 ",
        "a b",
        "\n",
    )
)
"""Tried on every pattern."""


class OutsidePattern(NamedTuple):
    """How a pattern that meets outside text is used, and attacks on it besides the usual ones."""

    method: str
    attacks: tuple[Attack, ...] = ()


OUTSIDE: Final = {
    "api.admin.local_users:NAME_PATTERN": OutsidePattern("fullmatch"),
    "api.admin.masking:_CARD_LENGTH": OutsidePattern("findall", (Attack("1" * 20 + "a"), Attack("a1"))),
    "api.admin.masking:_DIGITS": OutsidePattern("fullmatch", (Attack("1 (", after="x"),)),
    "api.admin.masking:_DIGIT_GAP": OutsidePattern("sub", (Attack("1 "), Attack("1-"))),
    "api.admin.masking:_IBAN": OutsidePattern("fullmatch", (Attack("1", before="DE12"),)),
    "api.admin.masking:_ID": OutsidePattern("fullmatch", (Attack("a_1", after=" "),)),
    "api.admin.masking:_IP": OutsidePattern("fullmatch", (Attack("1."), Attack("a:"))),
    "api.admin.masking:_MAIL": OutsidePattern("search", (Attack("a", after=""), Attack("@ "))),
    "api.admin.masking:_MARKED": OutsidePattern("match", (Attack("-", after="_"), Attack("A", after="a"))),
    "api.admin.masking:_MOMENT": OutsidePattern("fullmatch", (Attack("1", before="2026-01-01T00:00:00."),)),
    "api.admin.masking:_SECRET": OutsidePattern("search", (Attack("_secre"), Attack("sk_", before="x"))),
    "api.admin.masking:_SECRET_ENDING": OutsidePattern("search", (Attack("secre"),)),
    "api.admin.masking:_SECRET_PREFIX": OutsidePattern("search", (Attack("whse"), Attack("sk"))),
    "api.admin.masking:_WORD": OutsidePattern("findall", (Attack("sk_"), Attack("a "))),
    "api.admin.masking_keys:_WORDS": OutsidePattern("findall", (Attack("A", after="a"), Attack("Aa1"), Attack("é"))),
    "api.admin.oidc:_ERROR_CODE": OutsidePattern("fullmatch"),
    "api.summary:_DATE_AND_TIME": OutsidePattern("match", (Attack("2026-01-01"),)),
    "core.durations:_DURATION_SHAPE": OutsidePattern("fullmatch"),
    "core.customer_ids:_CAPITALISED": OutsidePattern("fullmatch", (Attack("Aa-"),)),
    "core.ids:_HEADER_SAFE": OutsidePattern("fullmatch"),
    "core.policy.campaigns:_HOURS": OutsidePattern("fullmatch"),
    "core.redaction.card_numbers:_MOMENT": OutsidePattern("sub", (Attack("2026-01-01T10:10:10.1"), Attack("20"))),
    "core.redaction.card_numbers:_RUN": OutsidePattern(
        "findall", (Attack("1----"), Attack("1" * 12 + "a"), Attack("1    1     "), Attack("1-" * 12 + "     "))
    ),
    "core.redaction.secrets:_CREDENTIALS": OutsidePattern(
        "findall", (Attack("bearer "), Attack(" ", before="Bearer"), Attack("basic " + "a" * 39 + " "))
    ),
    "core.redaction.secrets:_HEADER": OutsidePattern(
        "findall",
        (
            Attack("authorization: "),
            Attack(" ", before="authorization"),
            Attack(" ", before="authorization:"),
            Attack("authorization:a "),
        ),
    ),
    "core.redaction.secrets:_KEY": OutsidePattern(
        "findall",
        (
            Attack("sk_live_"),
            Attack("_whsec_a"),
            Attack("pi_" + "a" * 64),
            Attack("AQE"),
            Attack("AQE" + "a" * 19 + "-"),
            Attack("A" * 63 + "g"),
            Attack("access_token$sandbox$"),
            Attack("xoxb."),
            Attack("SG." + "a" * 64),
            Attack("eyJ" + "a" * 15 + " "),
            Attack("a.", before="eyJ" + "a" * 16),
            Attack("-----BEGIN "),
            Attack("-----BEGIN PRIVATE KEY-----"),
        ),
    ),
    "core.redaction.secrets:_NAMED": OutsidePattern(
        "findall", (Attack("password="), Attack('password="', after=""), Attack("api_key  "), Attack("secret"))
    ),
    "core.redaction.secrets:_NOTIFY_URL": OutsidePattern("findall", (Attack("slack://"), Attack("mailto"))),
    "core.redaction.secrets:_URL_PASSWORD": OutsidePattern(
        "findall", (Attack("://a:"), Attack("://"), Attack("://a:" + "b" * 200))
    ),
    "core.redaction.text:_EMAIL": OutsidePattern("findall", (Attack("a@a."), Attack("a" * 64 + "@" + "b" * 63))),
    "core.redaction.views:_ENCODED": OutsidePattern(
        "findall", (Attack("%"), Attack("%25"), Attack("%2"), Attack("\\\\u00"), Attack("&amp;"), Attack("&#1"))
    ),
    "core.redaction.views:_PERCENT": OutsidePattern("findall", (Attack("%25"), Attack("%2"))),
    "core.strategies.payday_patterns:_FORTNIGHT": OutsidePattern("fullmatch", (Attack("1", before="fortnight:"),)),
    "core.toml_text:_DOTTED": OutsidePattern(
        "findall", (Attack("a. ", after=""), Attack(" .a"), Attack("a ", after=""))
    ),
    "core.toml_text:_HEADER": OutsidePattern(
        "match",
        (Attack(" ", before="["), Attack(" ", before="[a"), Attack(" ", before="[a]"), Attack("]", before="[a")),
    ),
    "core.toml_text:_HEADER_NAME": OutsidePattern("fullmatch"),
    "core.toml_text:_ITEM": OutsidePattern("match"),
    "core.toml_text:_KEY": OutsidePattern("match", (Attack(" ", before="a"), Attack("a", before='"', after='" '))),
    "core.toml_text:_OPAQUE": OutsidePattern(
        "sub",
        (
            Attack('"""\\'),
            Attack("'''", before="'"),
            Attack('"\\', before='"""'),
            Attack('""', before='"""\\'),
            Attack("'\n"),
            Attack('"\\\n'),
            Attack("#'"),
        ),
    ),
    "core.toml_text:_OPENED": OutsidePattern("search", (Attack("= "), Attack("=["), Attack(" ", before="=["))),
    "db.chain:UNSTORABLE": OutsidePattern("sub", (Attack("\x00"),)),
    "notifications.locales:_LETTER_BY_DIGIT": OutsidePattern("sub", (Attack("a1"),)),
    "notifications.mailboxes:_ATOM": OutsidePattern("fullmatch"),
    "notifications.mailboxes:_ESCAPED": OutsidePattern("sub"),
    "notifications.mailboxes:_LABEL": OutsidePattern("fullmatch", (Attack("a-"),)),
    "notifications.mailboxes:_NAMED": OutsidePattern(
        "fullmatch", (Attack("a", before="<"), Attack("<"), Attack("<a>"))
    ),
    "notifications.mailboxes:_NAME_SEPARATOR": OutsidePattern("split", (Attack(","), Attack("a;"))),
    "notifications.mailboxes:_QUOTED": OutsidePattern(
        "fullmatch", (Attack("\\\\", before='"'), Attack('\\"', before='"'))
    ),
    "notifications.mailboxes:_QUOTED_NAMED": OutsidePattern(
        "fullmatch", (Attack("\\\\", before='"'), Attack(" ", before='""'), Attack("a", before='"a" <'))
    ),
    "notifications.mailboxes:_UNQUOTED": OutsidePattern("fullmatch", (Attack("a", after='"'), Attack("a.", after="<"))),
    "observability.scrubbing:_SECRET_NAMES": OutsidePattern("search", (Attack("api_"), Attack("encryption_"))),
    "providers.adyen.contacts:_COUNTRY": OutsidePattern("fullmatch"),
    "providers.adyen.contacts:_NAME_PARTS": OutsidePattern(
        "match", (Attack("a", before="[first name=a,"), Attack("last name", before="[first name=a,"))
    ),
    "providers.adyen.extractors:_RECAPTURE_REASON": OutsidePattern("search", (Attack("transaction auto-"),)),
    "providers.adyen.failures:_ADVICE": OutsidePattern("fullmatch", (Attack("a", before="1 ", after="\n"),)),
    "providers.adyen.failures:_BANK_CODE": OutsidePattern("match", (Attack("-"), Attack("AM04", before="-"))),
    "providers.adyen.failures:_COUNTED": OutsidePattern("fullmatch", (Attack("a", before="12 ", after="\n"),)),
    "providers.adyen.failures:_COUNTRY_CODE": OutsidePattern("fullmatch"),
    "providers.adyen.failures:_LAST_FOUR": OutsidePattern("fullmatch"),
    "providers.adyen.failures:_NO_LETTERS": OutsidePattern("sub"),
    "providers.adyen.failures:_NUMBERED": OutsidePattern(
        "fullmatch",
        (Attack(" ", before="803", after="a\n"), Attack(" ", before="803 :", after="a\n"), Attack(" :", before="803")),
    ),
    "providers.adyen.failures:_PROCESS_WORD": OutsidePattern("fullmatch", (Attack("aA"), Attack("a", before="aA"))),
    "providers.adyen.failures:_RAW": OutsidePattern(
        "fullmatch", (Attack(" ", before="51"), Attack(" ", before="51 :", after="\n"))
    ),
    "providers.adyen.failures:_SHORT": OutsidePattern("fullmatch"),
    "providers.adyen.methods:_APPS": OutsidePattern("fullmatch", (Attack("paypal", after="\n"),)),
    "providers.adyen.methods:_BANKS": OutsidePattern("fullmatch", (Attack("ideal", after="\n"),)),
    "providers.adyen.methods:_BRANDS": OutsidePattern("fullmatch", (Attack("visa"), Attack("_a", before="star"))),
    "providers.adyen.methods:_CREDITS": OutsidePattern("fullmatch", (Attack("zip", after="\n"),)),
    "providers.adyen.methods:_DEBITS": OutsidePattern(
        "fullmatch", (Attack("directdebit", after="\n"), Attack("directdebi"))
    ),
    "providers.braintree.client_objects:ID": OutsidePattern("fullmatch"),
    "providers.braintree.client_objects:WORD": OutsidePattern("fullmatch"),
    "providers.braintree.client_objects:_CURRENCY": OutsidePattern("fullmatch"),
    "providers.braintree.invoices:_PERIOD": OutsidePattern(
        "fullmatch", (Attack("-2026-01-01", before="a"), Attack("a-2026"))
    ),
    "providers.braintree.methods:_LAST_FOUR": OutsidePattern("fullmatch"),
    "providers.braintree.methods:_PHONE_WALLET": OutsidePattern("match"),
    "providers.braintree.webhook:_BASE64": OutsidePattern("fullmatch"),
    "providers.braintree.webhook:_CHALLENGE": OutsidePattern("fullmatch"),
    "providers.fields:_CODE": OutsidePattern("fullmatch"),
    "providers.fields:_CURRENCY": OutsidePattern("fullmatch"),
    "providers.fields:_ID": OutsidePattern("fullmatch"),
    "providers.fields:_WORDS": OutsidePattern("fullmatch"),
    "providers.stripe.amounts:_SNAKE_CASE": OutsidePattern("fullmatch", (Attack("amount_", after="1"),)),
    "providers.stripe.api:_PERMISSION": OutsidePattern("search", (Attack("Enabling a"), Attack("Enabling (a b"))),
    "providers.stripe.failures:_METHOD_WORDS": OutsidePattern("search", (Attack("payment"), Attack("attached to "))),
    "providers.stripe.signature:_SIGNATURE": OutsidePattern("fullmatch"),
    "providers.stripe.signature:_TIME": OutsidePattern("fullmatch"),
}

OWN: Final = {
    "api.admin.oidc:parse_role_groups": "our settings",
    "api.health:_SERVER_ADDRESS": "messages of our database",
    "commands.trigger:_braintree_payment": "an argument of the command line",
    "core.timeline.decisions:_SITUATION": "a sentence that this service wrote",
    "db.address:_HOST": "our settings",
    "db.address:_PARTS": "our settings",
    "db.address:_SCHEME": "our settings",
    "db.address:_SETTING": "our settings",
    "db.address:_check_parameters": "our settings",
    "db.address:_restore_blanks": "our settings",
    "db.address:settings_of": "our settings",
    "db.audit:UNQUOTABLE": "a snapshot's id, which our database gave out",
    "db.connections:_REFUSES_OPTIONS": "messages of our database",
    "db.errors:_ADVICE": "messages of our database",
    "db.errors:_BEFORE": "messages of our database",
    "providers.adyen.config:_HEX": "our settings",
    "providers.adyen.config:_LIVE": "our settings",
    "providers.braintree.config:_PRODUCTION": "our settings",
    "providers.braintree:_RANGE": "our own tables",
    "providers.live_mode:_BEFORE_HOST": "our settings",
    "providers.live_mode:_LIVE_KEY": "our settings",
    "settings:split_addresses": "our settings",
}
"""Patterns that only meet our own text, and whose text that is."""
