"""The deployment files fit the service; every check is shown to detect what it is for."""

import copy
import json
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.programs import WORKER_GRACE_SECONDS
from observability.metrics import create_metrics
from settings import Settings
from tests.architecture.compose import NOT_FOR_CONTAINERS, find_compose_problems, is_vulnerable, missing_settings
from tests.architecture.source import ROOT
from tests.architecture.test_env_example import read_example
from workflows import options

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OBSERVABILITY: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.observability.yml").read_text())
EXAMPLE = read_example()
Change = Callable[[dict[str, Any]], object]


def test_compose_files_have_no_problems() -> None:
    assert find_compose_problems(COMPOSE, set(EXAMPLE)) == []
    assert find_compose_problems(OBSERVABILITY, set(EXAMPLE), frozenset(COMPOSE["services"])) == []


def test_every_setting_reaches_a_container() -> None:
    assert missing_settings(COMPOSE) == set()
    assert {name.upper() for name in Settings.model_fields} >= NOT_FOR_CONTAINERS


CLOSING_TIME = timedelta(seconds=15)
"""Beside its grace a worker takes some seconds to end: the last rows, its connections."""


def test_stop_grace_covers_the_longest_charge() -> None:
    longest = options.provider_call_options("stripe", "charge")["start_to_close_timeout"]
    message = options.message_options("tell the customer")["start_to_close_timeout"]
    assert longest is not None
    assert message is not None
    assert max(longest, message) <= options.GRACE
    limit = timedelta(seconds=int(COMPOSE["services"]["worker"]["stop_grace_period"].removesuffix("s")))
    for grace in (limit, timedelta(seconds=WORKER_GRACE_SECONDS)):
        assert grace >= options.GRACE + CLOSING_TIME


def test_every_worker_but_the_simulator_has_the_stop_grace() -> None:
    source = (ROOT / "worker.py").read_text()
    assert re.findall(r"graceful_shutdown_timeout=(\w+)", source) == ["GRACE", "SIMULATION_GRACE", "GRACE"]


def test_docs_name_the_stop_grace() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert f"up to {options.GRACE.total_seconds():.0f} seconds after SIGTERM" in text
    assert f"give it {COMPOSE['services']['worker']['stop_grace_period'].removesuffix('s')} before the" in text


PLANTED_MISTAKES: dict[str, tuple[Change, str]] = {
    "published port": (lambda s: s["api"].update(ports=["127.0.0.1:8000:8080"]), "it listens on 8000"),
    "port of the API": (lambda s: s["api"]["environment"].update(API_PORT="9000"), "it listens on 9000"),
    "port of the check": (lambda s: s["worker"]["environment"].update(METRICS_PORT="9000"), "must ask 127.0.0.1:9000"),
    "port of the database": (
        lambda s: s["api"]["environment"].update(DATABASE_URL="postgresql://pri_writer:${WRITER_PASSWORD:?}@postgres:5433/pri"),
        "does not lead to the database",
    ),
    "host of the database": (
        lambda s: s["worker"]["environment"].update(DATABASE_URL="postgresql://pri_writer:${WRITER_PASSWORD:?}@db:5432/pri"),
        "does not lead to the database",
    ),
    "role": (
        lambda s: s["api"]["environment"].update(DATABASE_URL="postgresql://pri_owner:${OWNER_PASSWORD:?}@postgres:5432/pri"),
        "should look like postgresql://pri_writer",
    ),
    "owner in the worker": (
        lambda s: s["worker"]["environment"].update(
            DATABASE_OWNER_URL="postgresql://pri_owner:${OWNER_PASSWORD:?}@postgres:5432/pri"
        ),
        "only the migration",
    ),
    "Temporal's port": (lambda s: s["api"]["environment"].update(TEMPORAL_ADDRESS="temporal:7234"), "temporal:7233"),
    "open to the world": (lambda s: s["postgres"].update(ports=["5432:5432"]), "open to the world"),
    "service name": (
        lambda s: s["api"].update(depends_on={"migrat": {"condition": "service_completed_successfully"}}),
        "which is no service",
    ),
    "removed service": (lambda s: s.pop("temporal"), "which is no service"),
    "wrong wait": (lambda s: s["api"]["depends_on"]["migrate"].update(condition="service_started"), "the wrong way"),
    "no health to wait for": (lambda s: s["postgres"].pop("healthcheck"), "which has no health check"),
    "no health check": (lambda s: s["api"].pop("healthcheck"), "there is no health check"),
    "missing variable": (lambda s: s["migrate"]["environment"].pop("DATABASE_OWNER_URL"), "OWNER_URL is missing"),
    "missing secret": (lambda s: s["api"]["environment"].pop("STRIPE_WEBHOOK_SECRETS"), "SECRETS is missing"),
    "deaf API": (lambda s: s["api"]["environment"].update(API_HOST="127.0.0.1"), "nothing outside"),
    "deaf worker": (lambda s: s["worker"]["environment"].update(METRICS_HOST="127.0.0.1"), "reaches METRICS_HOST"),
    "secret as an argument": (
        lambda s: s["api"].update(command=["pri", "--key=${SESSION_SECRET}", "api"]), "into a command line",
    ),
    "undeclared secret": (lambda s: s["api"].update(secrets=["session"]), "session is not declared"),
    "misspelt variable": (lambda s: s["api"]["environment"].update(API_PROT="8000"), "API_PROT is not a variable"),
    "variable of another image": (lambda s: s["temporal"]["environment"].update(DB_HOST="x"), "DB_HOST is not"),
    "variable nobody documents": (
        lambda s: s["api"]["environment"].update(LOG_LEVEL="${LOGGING:-INFO}"), "LOGGING is used but not in",
    ),
    "another default": (
        lambda s: s["api"]["environment"].update(SESSION_HOURS="${SESSION_HOURS:-12}"), "HOURS is '8', not '12'",
    ),
    "default that was left out": (lambda s: s["worker"]["environment"].update(LOG_LEVEL="${LOG_LEVEL:-}"), "not ''"),
    "another variable": (
        lambda s: s["api"]["environment"].update(STRIPE_API_KEY="${ADYEN_API_KEY:-}"), "is taken from ADYEN_API_KEY",
    ),
    "password in the file": (lambda s: s["postgres"]["environment"].update(POSTGRES_PASSWORD="x"), "must come from"),
    "no version": (lambda s: s["temporal-ui"].update(image="temporalio/ui:latest"), "not pinned"),
    "no tag": (lambda s: s["postgres"].update(image="postgres"), "not pinned"),
    "vulnerable Temporal": (lambda s: s["temporal"].update(image="temporalio/server:1.30.2"), "known vulnerability"),
    "stranger": (lambda s: s["temporal"].update(image="temporalio/auto-setup:1.29.6"), "not one we know"),
    "root": (lambda s: s["worker"].update(user="0"), "own user must stay"),
    "capabilities": (lambda s: s["worker"].pop("cap_drop"), "cap_drop should be"),
    "missing file": (lambda s: s["temporal"].update(volumes=["./deploy/temporel:/deploy:ro"]), "is not in the tree"),
    "missing volume": (lambda s: s["postgres"].update(volumes=["data:/var/lib/postgresql/data"]), "is not declared"),
    "unknown key": (lambda s: s["api"].update(enviroment={}), "shape"),
    "number": (lambda s: s["api"]["environment"].update(API_PORT=8000), "shape"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), PLANTED_MISTAKES.values(), ids=PLANTED_MISTAKES)
def test_planted_compose_mistake_is_detected(change: Change, expected: str) -> None:
    compose = copy.deepcopy(COMPOSE)
    change(compose["services"])
    assert [problem for problem in find_compose_problems(compose, set(EXAMPLE)) if expected in problem]


def test_setting_without_a_container_is_detected() -> None:
    compose = copy.deepcopy(COMPOSE)
    for name in ("api", "worker"):
        compose["services"][name]["environment"].pop("SENTRY_DSN")
    assert missing_settings(compose) == {"SENTRY_DSN"}


@pytest.mark.parametrize("version", ["1.28.9", "1.29.0", "1.29.4", "1.30.0", "1.30.2", "latest"])
def test_known_vulnerable_versions(version: str) -> None:
    assert is_vulnerable(version)


@pytest.mark.parametrize("version", ["1.29.5", "1.29.6", "1.30.3", "1.31.0", "2.0.0"])
def test_fixed_versions(version: str) -> None:
    assert not is_vulnerable(version)


def test_server_and_tools_are_one_release() -> None:
    images = {service["image"] for service in COMPOSE["services"].values()}
    tags = {image.partition(":")[2] for image in images if re.match("temporalio/(server|admin-tools)", image)}
    assert len(tags) == 1


def test_image_runs_unprivileged_with_locked_dependencies() -> None:
    text = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]
    assert text.count("pip install --require-hashes") == 2
    assert text.count("pip install") == 3
    assert "--no-deps /wheels" in text
    assert 'CMD ["pri", "api"]' in text
    assert "HEALTHCHECK" in text
    assert f"EXPOSE {Settings.model_fields['api_port'].default}" in text
    assert not re.findall(r"^ADD |https?://(?!127)", text, re.MULTILINE)


def test_build_tool_is_in_the_lock_file_of_the_image() -> None:
    assert re.search(r"^setuptools==\S+ \\\n    --hash=", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)


@pytest.mark.parametrize("script", sorted((ROOT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_complete_and_executable(script: Path) -> None:
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    assert script.stat().st_mode & 0o111


def test_secrets_stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".env", ".env.*", ".git", ".pri"} <= set(ignored)
    assert not {"README.md", "LICENSE", "requirements.lock", "requirements-dev.lock"} & set(ignored)


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    metrics = create_metrics()
    metrics.webhooks.labels("stripe", "accepted").inc()
    metrics.latency.labels("GET", "/healthz", "200").observe(0.1)
    metrics.set_recoveries({})
    exported = set(re.findall(r"^(pri_\w+)", metrics.render_text().decode(), re.MULTILINE))
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "overview.json").read_text())
    expressions = json.dumps(dashboard["panels"]) + (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    assert set(re.findall(r"\bpri_\w+", expressions)) <= exported


def test_prometheus_scrapes_ports_that_are_open() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in scraped for static in job["static_configs"] for target in static["targets"]}
    port = int(COMPOSE["services"]["worker"]["environment"]["METRICS_PORT"])
    assert targets == {"api:8000", f"worker:{port}", f"worker:{port + 1}"}
    keys = {job["job_name"]: job.get("authorization", {}).get("credentials_file") for job in scraped}
    secrets = OBSERVABILITY["services"]["prometheus"]["secrets"]
    assert keys == {"api": f"/run/secrets/{secrets[0]}", "worker": None}
    assert OBSERVABILITY["secrets"] == {secrets[0]: {"environment": "METRICS_KEY"}}


def test_database_passwords_are_in_no_command_line() -> None:
    script = (ROOT / "deploy" / "postgres" / "10-roles.sh").read_text()
    command = script.partition("<<")[0]
    assert "PASSWORD" not in command
    assert len(re.findall(r"^\\getenv \w+ \w+_PASSWORD$", script, re.MULTILINE)) == 3
