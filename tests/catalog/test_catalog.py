"""Loading tables, changing policy files and plug-ins that may be broken."""

import tomllib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import catalog
from catalog import plugins
from core.classification.classify import classify
from core.classification.taxonomy import Cause
from core.durations import TimeScale
from core.errors import InvalidInput, InvalidPolicy
from core.payments import Failure
from core.policy.policy import StrategyFactory, parse_policy

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "core/policy/policies.toml"


@pytest.fixture
def strategies() -> Mapping[str, StrategyFactory]:
    """The strategies that pyproject.toml registers, installed or not."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][plugins.STRATEGY_GROUP]
    return {name: EntryPoint(name, value, plugins.STRATEGY_GROUP).load() for name, value in declared.items()}


def test_packaged_tables_include_a_providers_own() -> None:
    own = "kind,code,cause,meaning,source\ndecline_code,99,FRAUD,a test,here\n"
    tables = catalog.load_decline_tables({"acme": own})
    assert classify(Failure(code="99"), tables, provider="acme").cause is Cause.FRAUD
    assert classify(Failure(code="99"), tables, provider="other").cause is Cause.UNKNOWN
    assert classify(Failure(network_code="51"), tables, provider="acme").cause is Cause.INSUFFICIENT_FUNDS


def test_a_providers_wrong_table_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"^acme decline codes:1: the columns must be"):
        catalog.load_decline_tables({"acme": "nonsense"})


def test_the_shipped_policy_loads_with_the_declared_strategies(strategies: Mapping[str, StrategyFactory]) -> None:
    file = catalog.PolicyFile(SHIPPED, strategies)
    assert file.current_policy() == parse_policy(SHIPPED.read_text(), str(SHIPPED), strategies)
    assert file.problem is None


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SHIPPED.read_text())
    file = catalog.PolicyFile(path)
    assert file.current_policy() is file.current_policy()


def test_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SHIPPED.read_text())
    file = catalog.PolicyFile(path)
    before = file.current_policy()
    path.write_text(SHIPPED.read_text().replace("attempts_allowed = 6", "attempts_allowed = 7"))
    assert file.current_policy().version != before.version
    path.write_text(SHIPPED.read_text())
    assert file.current_policy().version == before.version


@pytest.mark.parametrize("broken", [b"format = ", b"\xff\xfe", b"format = 1", None])
def test_broken_file_keeps_the_last_valid_version(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SHIPPED.read_text())
    file = catalog.PolicyFile(path)
    good = file.current_policy()
    path.write_bytes(broken) if broken is not None else path.unlink()
    for _ in range(2):
        assert file.current_policy() is good
        assert file.problem is not None
        assert str(path) in file.problem
    path.write_text(SHIPPED.read_text())
    assert file.current_policy().version == good.version
    assert file.problem is None


@pytest.mark.parametrize("text", [None, "format = "])
def test_missing_valid_version_is_an_error_with_its_reason(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "p.toml"
    if text is not None:
        path.write_text(text)
    file = catalog.PolicyFile(path)
    for _ in range(2):
        with pytest.raises(InvalidPolicy, match=r"p\.toml"):
            file.current_policy()


def test_a_strategy_that_is_not_installed_makes_a_version_wrong(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SHIPPED.read_text())
    with pytest.raises(InvalidPolicy, match=r"p\.toml:\d+: strategies\.standard_ladder: no strategy is installed"):
        catalog.PolicyFile(path, {}).current_policy()


def test_broken_plugin_is_reported_on_use(monkeypatch: pytest.MonkeyPatch) -> None:
    points = (EntryPoint("gone", "no.such.module:Strategy", plugins.STRATEGY_GROUP),)
    monkeypatch.setattr(plugins, "entry_points", lambda **_: points)
    with pytest.raises(InvalidPolicy, match=r"^strategy 'gone' can't be loaded from no\.such"):
        catalog.installed_strategies()["gone"](delays=["3h"])


def test_decisions_share_a_config_until_the_policy_changes(
    tmp_path: Path, strategies: Mapping[str, StrategyFactory]
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(SHIPPED.read_text())
    policy = catalog.PolicyFile(path, strategies)
    sources = catalog.DecisionSources(catalog.load_decline_tables({}), policy, dict(strategies), TimeScale())
    first = sources.decision_config()
    assert sources.decision_config() is first
    path.write_text(SHIPPED.read_text() + "\n# another version\n")
    changed = sources.decision_config()
    assert changed.policy.version != first.policy.version
    assert sources.decision_config() is changed
