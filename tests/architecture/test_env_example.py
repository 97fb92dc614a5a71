"""`.env.example` holds every setting with its default, and nothing that would change anything when it is copied."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from settings import Settings
from tests.architecture.compose import default_text
from tests.architecture.source import ROOT

SOURCE: Final = (ROOT / ".env.example").read_text()
DEFAULTS: Final = {name.upper(): default_text(field.default) for name, field in Settings.model_fields.items()}
COMPOSE_ONLY: Final = {"POSTGRES_PASSWORD", "OWNER_PASSWORD", "WRITER_PASSWORD", "TEMPORAL_DB_PASSWORD"} | {
    "GRAFANA_PASSWORD", "TEMPORAL_CODEC_ENDPOINT"
}  # fmt: skip
"""Of the compose files alone."""
READ_BY_TEMPORAL: Final = {"TEMPORAL_API_KEY", "TEMPORAL_TLS", "TEMPORAL_TLS_SERVER_CA_CERT_PATH"} | {
    "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_SERVER_NAME"
}  # fmt: skip
"""By temporalio.envconfig, not by our settings."""


def read_example(text: str = SOURCE) -> dict[str, str]:
    """The variables of an example file with what stands behind them; each is commented out."""
    return dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))


def find_example_problems(text: str, defaults: Mapping[str, str]) -> list[str]:
    """What is missing, unknown, shown with another default, live, or not explained."""
    example, lines = read_example(text), text.splitlines()
    expected = dict.fromkeys(COMPOSE_ONLY | READ_BY_TEMPORAL, "") | dict(defaults)
    found = [f"{name} is missing" for name in expected.keys() - example.keys()]
    found += [f"{name} is no setting" for name in example.keys() - expected.keys()]
    both = example.keys() & expected.keys()
    found += [f"{name} is {expected[name]!r} by default" for name in both if example[name] != expected[name]]
    found += [f"{line!r} would have an effect" for line in lines if line and not line.startswith("#")]
    named = [number for number, line in enumerate(lines) if re.match("#[A-Z0-9_]+=", line)]
    return found + [f"{lines[one]!r} has no comment" for one in named if not lines[one - 1].startswith("# ")]


def test_the_example_is_right() -> None:
    assert find_example_problems(SOURCE, DEFAULTS) == []


@pytest.mark.parametrize("default", ["", "0.5", "/var/lib/pri"])
def test_a_setting_that_was_added_is_missed(default: str) -> None:
    assert find_example_problems(SOURCE, DEFAULTS | {"NEW_SETTING": default}) == ["NEW_SETTING is missing"]


def test_a_setting_that_was_removed_is_noticed() -> None:
    left = {name: default for name, default in DEFAULTS.items() if name != "LOG_LEVEL"}
    assert find_example_problems(SOURCE, left) == ["LOG_LEVEL is no setting"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("#API_PORT=8000", "#API_PORT=9000"), "API_PORT is '8000' by default"),
        (lambda text: text.replace("#API_PORT=8000", "#API_PORT="), "API_PORT is '8000' by default"),
        (lambda text: text.replace("#SMTP_URL=", "#SMTP_URL=smtp://mail"), "SMTP_URL is '' by default"),
        (lambda text: text + "LOG_LEVEL=DEBUG\n", "'LOG_LEVEL=DEBUG' would have an effect"),
        (lambda text: text.replace("\n#API_PORT", "\n\n#API_PORT"), "'#API_PORT=8000' has no comment"),
    ],
)
def test_other_mistakes_are_caught(change: Callable[[str], str], problem: str) -> None:
    assert find_example_problems(change(SOURCE), DEFAULTS) == [problem]


def test_a_default_is_written_as_one_would_write_it() -> None:
    defaults = {name: DEFAULTS[name] for name in ("API_PORT", "LOG_LEVEL", "POLICY_FILE", "STRIPE_WEBHOOK_SECRETS")}
    assert defaults == {"API_PORT": "8000", "LOG_LEVEL": "INFO", "POLICY_FILE": "", "STRIPE_WEBHOOK_SECRETS": ""}
    assert (default_text(0.5), default_text(("a", "b"))) == ("0.5", "a,b")
