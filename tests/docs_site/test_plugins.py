"""The package of docs/plugins.md: installed by its entry points, and each plug-in run."""

import ast
import hashlib
import hmac
import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

import catalog
from catalog.policy_file import PolicyFile
from catalog.tables import load_decline_tables
from core.classification.classify import classify
from core.classification.taxonomy import Cause
from core.errors import InvalidInput, InvalidPolicy, InvalidSignature, ProviderUnavailable
from core.fraud.signals import ScorerQuestion, Velocity
from core.payments import ChargeOrder, EventKind, FailureFacts, InvoiceStatus, InvoiceView, Outcome
from core.strategies.base import Situation
from notifications.channels import installed_channels
from providers.base import Provider, load_providers
from settings import SHIPPED_POLICY
from tests.architecture import source
from tests.docs_site.fences import fences_in
from tests.docs_site.pages import ROOT
from tests.notifications.receiver import receiver

PAGE: Final = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
NOW: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET: Final = "secret-of-acme"
TITLE: Final = re.compile(r'title="(\w+)\.py"')


def documented_modules() -> dict[str, str]:
    """The example modules: name and text."""
    titled = ((TITLE.fullmatch(fence.rest), fence.body) for fence in fences_in(PAGE) if fence.language == "python")
    return {found[1]: body for found, body in titled if found}


def documented_tables(word: str) -> dict[str, Any]:
    """The TOML block that has this word."""
    (text,) = [fence.body for fence in fences_in(PAGE) if fence.language == "toml" and word in fence.body]
    return tomllib.loads(text)


@pytest.fixture(autouse=True)
def installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as pip would install it: modules, and metadata with the documented entry points."""
    for name, text in documented_modules().items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    metadata = tmp_path / "acme_pri-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pri\nVersion: 1.0\n")
    groups = documented_tables("entry-points")["project"]["entry-points"]
    lines = [
        line for group, points in groups.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in documented_modules():
        sys.modules.pop(name, None)


def acme(**environment: str) -> Provider:
    return load_providers(environment)["acme"]


def acme_order() -> ChargeOrder:
    return ChargeOrder(
        provider="acme", invoice_id="inv_1", attempt=1, idempotency_key="key-1", amount=4_900, currency="EUR",
        requested_at=NOW,
    )  # fmt: skip


def acme_webhook(**changes: object) -> tuple[bytes, dict[str, str]]:
    """A body, and the headers that it is signed with."""
    fields = {"id": "ev_1", "type": "failed", "at": 1_780_000_000, "invoice": "inv_1", "customer": "c_1"}
    body = json.dumps(fields | {"amount": 4_900, "currency": "EUR", "code": "no_money"} | changes).encode()
    return body, {"acme-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}


def test_there_is_an_example_for_each_group() -> None:
    groups = documented_tables("entry-points")["project"]["entry-points"]
    assert set(groups) == {"pri.strategies", "pri.providers", "pri.channels", "pri.fraud_scorers"}
    named = {value.partition(":")[0] for points in groups.values() for value in points.values()}
    assert named == set(documented_modules())


def test_the_stable_names_exist() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (`\w+`(?:, `\w+`)*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 9
    for module, names in rows:
        assert not [name for name in re.findall(r"\w+", names) if not hasattr(importlib.import_module(module), name)]


def test_the_examples_import_stable_names_only() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (`\w+`(?:, `\w+`)*) \|$", PAGE, re.MULTILINE)
    stable = {(module, name) for module, names in rows for name in re.findall(r"\w+", names)}
    nodes = (node for text in documented_modules().values() for node in ast.walk(ast.parse(text)))
    imports = (node for node in nodes if isinstance(node, ast.ImportFrom))
    used = {(node.module, alias.name) for node in imports for alias in node.names if _is_ours(node.module or "")}
    assert used
    assert used <= stable


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in source.top_packages()


def test_the_strategy_plans_in_a_policy(tmp_path: Path) -> None:
    settings = documented_tables("[strategies.harbour]")["strategies"]["harbour"]
    text = SHIPPED_POLICY.read_text(encoding="utf-8")
    text = re.sub(
        r"^\[fallback\]", '[strategies.harbour]\nuse = "tides"\ntides_per_retry = 2\n\n[fallback]', text, flags=re.M
    )
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    strategies = catalog.installed_strategies()
    policy = PolicyFile(tmp_path / "mine.toml", strategies).current_policy()
    assert policy.strategies["harbour"].use == settings.pop("use") == "tides"
    situation = Situation(
        provider="stripe", invoice_id="in_1", attempt=1, cause=Cause.GENERIC, segment="default", amount=1,
        currency="EUR", failed_at=NOW, now=NOW,
    )  # fmt: skip
    proposal = strategies["tides"](**settings).propose(situation)
    assert proposal
    assert proposal.delay_seconds == 2 * (12 * 3_600 + 25 * 60)
    with pytest.raises(InvalidPolicy):
        strategies["tides"](tides_per_retry=0)


def test_the_providers_webhooks_are_verified_and_normalised() -> None:
    webhooks = acme(ACME_WEBHOOK_SECRET=SECRET).create_webhooks()
    assert webhooks
    body, headers = acme_webhook()
    webhooks.verify(headers, body, NOW)
    with pytest.raises(InvalidSignature):
        webhooks.verify(headers, body + b" ", NOW)
    (event,) = webhooks.normalise(body)
    assert (event.kind, event.invoice_id, event.amount) == (EventKind.PAYMENT_FAILED, "inv_1", 4_900)
    assert event.opens_recovery
    assert webhooks.normalise(acme_webhook(type="refund")[0])[0].kind is EventKind.OTHER
    for wrong in (b"[]", b"{}", b"nonsense", b'{"id": 1, "at": "soon"}'):
        with pytest.raises(InvalidInput):
            webhooks.normalise(wrong)


def test_the_providers_codes_are_classified() -> None:
    tables = load_decline_tables({"acme": acme().decline_codes})
    webhooks = acme(ACME_WEBHOOK_SECRET=SECRET).create_webhooks()
    assert webhooks
    (event,) = webhooks.normalise(acme_webhook()[0])
    assert event.failure
    assert classify(event.failure, tables, provider="acme").cause is Cause.INSUFFICIENT_FUNDS


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.SUCCEEDED), (402, Outcome.DECLINED), (500, Outcome.UNKNOWN), (422, Outcome.NOT_CHARGED)],
)
async def test_the_provider_charges(status: int, outcome: Outcome) -> None:
    async with receiver() as listening:
        listening.status = status
        gateway = acme(ACME_KEY="key", ACME_BASE=listening.url).create_gateway()
        assert gateway
        result = await gateway.charge(acme_order())
        await gateway.close()
    ((headers, body),) = listening.posts
    assert (result.outcome, headers["idempotency-key"]) == (outcome, "key-1")
    assert json.loads(body) == {"invoice": "inv_1", "amount": 4_900, "currency": "EUR"}
    assert gateway.idempotency == timedelta(hours=24)


async def test_the_provider_says_what_was_surely_not_executed() -> None:
    gateway = acme(ACME_KEY="key", ACME_BASE="http://127.0.0.1:1").create_gateway()
    assert gateway
    with pytest.raises(ProviderUnavailable):
        await gateway.charge(acme_order())
    await gateway.close()
    assert acme().create_gateway() is None
    assert len(acme().startup_notes()) == 2


def test_the_channel_is_found_by_its_entry_point() -> None:
    assert "push" in installed_channels({"ACME_PUSH_URL": "http://127.0.0.1:1"})
    assert "push" not in installed_channels({})


def test_the_scorer_scores() -> None:
    name = documented_tables("scorer_timeout_ms")["fraud"]["scorer"]
    scorer = catalog.installed_fraud_scorers()[name]()

    def score(amount: int) -> object:
        facts = FailureFacts(invoice=InvoiceView(invoice_id="in_1", status=InvoiceStatus.OPEN, amount_due=amount))
        fields = {"provider": "stripe", "invoice_id": "in_1", "customer_id": None, "cause": Cause.GENERIC}
        return scorer.score(ScorerQuestion.model_validate(fields | {"facts": facts, "velocity": Velocity()}))

    assert [getattr(score(amount), "score", None) for amount in (100_000, 100_001)] == [0, 30]
