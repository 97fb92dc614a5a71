"""Each process gets the settings it reads, and shared ones are equal: derived from the source."""

import copy
from typing import Any, Final

import pytest
import yaml
from pydantic import SecretStr

from settings import Settings
from tests.architecture.processes import ROOTS, settings_read_by
from tests.architecture.source import ROOT

SERVICES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SECRETS: Final = {name.upper() for name, field in Settings.model_fields.items() if field.annotation is SecretStr}


def find_settings_problems(services: dict[str, Any]) -> set[str]:
    """Settings that are missing, differ between processes, or are secrets that a process doesn't read."""
    settings = {process: services[process]["environment"] for process in ROOTS}
    missing = {
        f"{process} reads {name}" for process in ROOTS for name in settings_read_by(process) - settings[process].keys()
    }
    both = settings["api"].keys() & settings["worker"].keys()
    differing = {f"{name} differs" for name in both if settings["api"][name] != settings["worker"][name]}
    idle = {
        f"{process} needs no {name}"
        for process in ROOTS
        for name in (SECRETS & settings[process].keys()) - settings_read_by(process)
    }
    return missing | differing | idle | _check_mounts(services)


def _check_mounts(services: dict[str, Any]) -> set[str]:
    """Problems of mounts: both processes must see the same files, read-only."""
    mounted = {process: services[process].get("volumes", []) for process in ROOTS}
    is_mounted = mounted["api"] == mounted["worker"] != []
    return ({"files differ"} if not is_mounted else set()) | {
        f"{process} can write {volume}"
        for process in ROOTS
        for volume in mounted[process]
        if not volume.endswith(":ro")
    }


def test_each_process_gets_what_it_reads() -> None:
    assert find_settings_problems(SERVICES) == set()


@pytest.mark.parametrize("process", ROOTS)
@pytest.mark.parametrize("name", sorted(settings_read_by("api") & settings_read_by("worker")))
def test_setting_that_reaches_only_one_process_is_detected(process: str, name: str) -> None:
    services = copy.deepcopy(SERVICES)
    del services[process]["environment"][name]
    assert find_settings_problems(services) == {f"{process} reads {name}"}


def test_other_settings_mistakes_are_detected() -> None:
    services = copy.deepcopy(SERVICES)
    services["api"]["environment"] |= {"SMTP_URL": "${SMTP_URL:-}", "POLICY_FILE": "/config/another.toml"}
    services["worker"]["volumes"] = ["./deploy/config:/config"]
    assert find_settings_problems(services) == {
        "api needs no SMTP_URL",
        "POLICY_FILE differs",
        "files differ",
        "worker can write ./deploy/config:/config",
    }


def test_settings_read_are_detected() -> None:
    """The derivation itself: through attributes, names in the providers' own settings, and plug-ins."""
    both = {"DATABASE_URL", "POLICY_FILE", "SHADOW_POLICY_FILE", "MESSAGE_DIR", "MAIL_FROM", "CUSTOMER_PAGE_URL"}
    assert both | {"STRIPE_API_KEY", "ADYEN_MERCHANT_ACCOUNT"} <= settings_read_by("api") & settings_read_by("worker")
    assert {"SMTP_URL", "CUSTOMER_NOTIFY_URLS", "OPERATOR_NOTIFY_URLS"} <= settings_read_by(
        "worker"
    ) - settings_read_by("api")
    assert {"API_PORT", "SESSION_SECRET", "OIDC_ISSUER"} <= settings_read_by("api") - settings_read_by("worker")
    assert "DATABASE_OWNER_URL" not in settings_read_by("api") | settings_read_by("worker")
