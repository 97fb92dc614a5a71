"""Checks of a compose file without Docker; each yields the problems it finds."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import jsonschema
from pydantic import SecretStr

from settings import SHIPPED_POLICY, Settings
from tests.architecture.source import ROOT

Service = dict[str, Any]
OUR_IMAGE: Final = "payments-risk-intelligence:"
SETTINGS: Final = {name.upper() for name in Settings.model_fields}
FOR_ANCHORS: Final = {"ANCHOR_S3_ENDPOINT", "ANCHOR_RETENTION_DAYS", "TIMESTAMP_URL", "TIMESTAMP_CA_FILE"}
NOT_FOR_CONTAINERS: Final = {"TEMPORAL_TEST_SERVER", "DATABASE_OWNER_URL"} | FOR_ANCHORS
"""For the tests; for the migration alone; for a host that anchors the log, which is neither API nor worker."""
COMMON_SETTINGS: Final = {"DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
STRIPE: Final = {"STRIPE_API_KEY", "STRIPE_API_BASE"}
ADYEN: Final = {"ADYEN_API_KEY", "ADYEN_MERCHANT_ACCOUNT", "ADYEN_API_BASE"}
BRAINTREE: Final = {f"BRAINTREE_{name}" for name in ("MERCHANT_ID", "PUBLIC_KEY", "PRIVATE_KEY", "API_BASE")}
NEEDED_SETTINGS: Final = {
    "migrate": COMMON_SETTINGS | {"DATABASE_OWNER_URL"},
    "api": COMMON_SETTINGS
    | STRIPE
    | ADYEN
    | BRAINTREE
    | {"API_HOST", "API_PORT", "STRIPE_WEBHOOK_SECRETS", "ADYEN_HMAC_KEYS"},
    "worker": COMMON_SETTINGS | STRIPE | ADYEN | BRAINTREE | {"METRICS_HOST", "METRICS_PORT"},
}
"""What each command of ours can't do its work without."""
FOREIGN_SETTINGS: Final = {
    "postgres": {"POSTGRES_USER", "POSTGRES_PASSWORD", "OWNER_PASSWORD", "WRITER_PASSWORD", "TEMPORAL_DB_PASSWORD"},
    "temporalio/admin-tools": {"SQL_PLUGIN", "SQL_HOST", "SQL_PORT", "SQL_USER", "SQL_PASSWORD"}
    | {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"},
    "temporalio/server": {"DB", "DB_PORT", "POSTGRES_SEEDS", "POSTGRES_USER", "POSTGRES_PWD", "DBNAME"}
    | {"VISIBILITY_DBNAME", "NUM_HISTORY_SHARDS", "BIND_ON_IP", "DYNAMIC_CONFIG_FILE_PATH"},
    "temporalio/ui": {"TEMPORAL_ADDRESS", "TEMPORAL_DEFAULT_NAMESPACE"}
    | {"TEMPORAL_CODEC_ENDPOINT", "TEMPORAL_CODEC_INCLUDE_CREDENTIALS"},
    "prom/prometheus": set(),
    "grafana/grafana": {"GF_SECURITY_ADMIN_PASSWORD", "GF_ANALYTICS_REPORTING_ENABLED"},
}
"""The variables that each image understands, as far as we use them."""
PORTS: Final = {"postgres": 5432, "temporalio/server": 7233, "temporalio/ui": 8080, "grafana/grafana": 3000}
EXTRA_PORTS: Final = {"prom/prometheus": 9090}
VERSION: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?$")
PASSED_ON: Final = re.compile(r"\$\{(?P<name>[A-Z0-9_]+):?-(?P<default>[^}]*)\}")
SHAPE: Final = json.loads((ROOT / "tests" / "architecture" / "compose_shape.json").read_text())


def find_compose_problems(
    compose: dict[str, Any], example: set[str], other_services: frozenset[str] = frozenset()
) -> list[str]:
    """All problems. `example`: names in .env.example; `other_services`: services of a file this one joins."""
    problems = [f"shape: {error.message}" for error in jsonschema.Draft202012Validator(SHAPE).iter_errors(compose)]
    if problems:
        return problems
    services: dict[str, Service] = compose["services"]
    for name, service in services.items():
        checks = (_check_image, _check_environment, _check_ports, _check_health)
        problems += [f"{name}: {problem}" for check in checks for problem in check(service)]
        problems += [f"{name}: {problem}" for problem in _check_dependencies(service, services, other_services)]
        problems += [f"{name}: {problem}" for problem in _check_volumes(service, compose)]
        problems += [f"{name}: {problem}" for problem in _check_secrets(service, compose)]
        problems += [f"{name}: {problem}" for problem in _check_hosts(service, {*services, *other_services})]
        if service["image"].startswith(OUR_IMAGE):
            checked = (*_check_hardening(service), *_check_defaults(service))
            problems += [f"{name}: {problem}" for problem in checked]
    return problems + list(_check_variables(compose, example))


def missing_settings(compose: dict[str, Any]) -> set[str]:
    """The settings that neither API nor worker gets."""
    passed_settings = {key for name in ("api", "worker") for key in compose["services"][name]["environment"]}
    return SETTINGS - NOT_FOR_CONTAINERS - passed_settings


def default_text(default: object) -> str:
    """A setting's default as one would write it into `.env`: empty for none, and for the shipped policy."""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return ",".join(map(default_text, default))
    return "" if default is None or default == SHIPPED_POLICY else str(default)


def _check_image(service: Service) -> Iterator[str]:
    repository, _, tag = service["image"].partition(":")
    if not VERSION.match(tag):
        yield f"the image {service['image']} is not pinned to a version"
    elif repository in {"temporalio/server", "temporalio/admin-tools"} and is_vulnerable(tag):
        yield f"Temporal {tag} is in a range with a known vulnerability"
    if repository not in FOREIGN_SETTINGS and not service["image"].startswith(OUR_IMAGE):
        yield f"the image {repository} is not one we know"


def is_vulnerable(version: str) -> bool:
    """Below 1.29.5, or 1.30.0 to 1.30.2 (CVE-2026-5199, CVE-2025-14986, CVE-2025-14987)."""
    match = VERSION.match(version)
    numbers = tuple(int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return numbers < (1, 29, 5) or (1, 30, 0) <= numbers < (1, 30, 3)


def _check_environment(service: Service) -> Iterator[str]:
    repository = service["image"].partition(":")[0]
    known_variables = SETTINGS if service["image"].startswith(OUR_IMAGE) else FOREIGN_SETTINGS.get(repository, set())
    environment: dict[str, str] = service.get("environment", {})
    yield from (f"{name} is not a variable that {repository} knows" for name in environment.keys() - known_variables)
    for name, value in environment.items():
        secret = "PASSWORD" in name or name == "POSTGRES_PWD" or "://pri_" in value
        if secret and not re.search(r"\$\{[A-Z_]+:\?", value):
            yield f"{name} must come from a variable without which nothing starts"


def _check_ports(service: Service) -> Iterator[str]:
    for published in service.get("ports", ()):
        address, _, inside = published.rpartition(":")
        if not address.startswith("127.0.0.1:"):
            yield f"port {published} is open to the world"
        if int(inside) != _container_port(service):
            yield f"port {published} leads to {inside}, but it listens on {_container_port(service)}"


def _container_port(service: Service) -> int:
    """The port of the program in the container."""
    repository = service["image"].partition(":")[0]
    own = service.get("environment", {}).get("API_PORT") or Settings.model_fields["api_port"].default
    return {**PORTS, **EXTRA_PORTS}.get(repository, int(own))


def _check_health(service: Service) -> Iterator[str]:
    test = " ".join(service.get("healthcheck", {}).get("test", ()))
    for path, variable in (("/healthz", "API_PORT"), ("/metrics", "METRICS_PORT")):
        expected = f"127.0.0.1:{service.get('environment', {}).get(variable, '?')}{path}"
        if path in test and expected not in test:
            yield f"the health check must ask {expected}"
    if service["image"].startswith(OUR_IMAGE) and not test and "healthcheck" not in service:
        yield "there is no health check"
    if service["image"].startswith("temporalio/server") and str(PORTS["temporalio/server"]) not in test:
        yield "the health check doesn't ask the port it listens on"


def _check_dependencies(
    service: Service, services: dict[str, Service], other_services: frozenset[str]
) -> Iterator[str]:
    for name, condition in service.get("depends_on", {}).items():
        if name not in services:
            if name not in other_services:
                yield f"depends on {name}, which is no service"
        elif condition["condition"] == "service_healthy" and not services[name].get("healthcheck", {}).get("test"):
            yield f"waits for the health of {name}, which has no health check"
        elif (condition["condition"] == "service_completed_successfully") != _is_one_shot(services[name]):
            yield f"waits for {name} in the wrong way"


def _is_one_shot(service: Service) -> bool:
    """Whether the service does its work and exits."""
    return str(service["restart"]).startswith("on-failure")


def _check_volumes(service: Service, compose: dict[str, Any]) -> Iterator[str]:
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith(".") and not (ROOT / source).exists():
            yield f"{source} is not in the tree"
        if not source.startswith(".") and source not in compose.get("volumes", {}):
            yield f"the volume {source} is not declared"


def _check_secrets(service: Service, compose: dict[str, Any]) -> Iterator[str]:
    """Secrets are declared, and nothing takes one as an argument, where everybody on the machine could read it."""
    declared = compose.get("secrets", {})
    yield from (f"the secret {name} is not declared" for name in service.get("secrets", ()) if name not in declared)
    words = [
        *service.get("command", ()),
        *service.get("entrypoint", ()),
        *service.get("healthcheck", {}).get("test", ()),
    ]
    yield from (f"{word!r} puts a variable into a command line" for word in words if "$" in word)


def _check_hosts(service: Service, services: set[str]) -> Iterator[str]:
    """Addresses of other services name one, with the port it listens on."""
    environment: dict[str, str] = service.get("environment", {})
    for name in ("SQL_HOST", "POSTGRES_SEEDS"):
        if name in environment and environment[name] != "postgres":
            yield f"{name} names {environment[name]}, not the database"
    for name, pattern in (("TEMPORAL_ADDRESS", r"temporal:7233"), (r"DATABASE_URL", r"postgresql://pri_writer:.+"),
                          ("DATABASE_OWNER_URL", r"postgresql://pri_owner:.+")):  # fmt: skip
        if name in environment and not re.fullmatch(pattern, environment[name]):
            yield f"{name} should look like {pattern}"
    for name in {"DATABASE_URL", "DATABASE_OWNER_URL"} & environment.keys():
        if not environment[name].endswith("@postgres:5432/pri") or "postgres" not in services:
            yield f"{name} does not lead to the database pri of the service postgres on 5432"


def _check_hardening(service: Service) -> Iterator[str]:
    expected = {"init": True, "read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    yield from (f"{key} should be {value}" for key, value in expected.items() if service.get(key) != value)
    if "user" in service or service.get("privileged"):
        yield "the image's own user must stay"
    environment = service["environment"]
    if "DATABASE_OWNER_URL" in environment and "migrate" not in service["command"]:
        yield "only the migration may have the owner's address"
    yield from (f"{name} is missing" for name in sorted(NEEDED_SETTINGS[service["command"][-1]] - environment.keys()))
    for name in ("API_HOST", "METRICS_HOST"):
        if environment.get(name, "0.0.0.0") != "0.0.0.0":
            yield f"nothing outside the container reaches {name}"


def _check_defaults(service: Service) -> Iterator[str]:
    """A setting that is passed on keeps its name, and its default where `.env` has none."""
    for name, value in service["environment"].items():
        passed = PASSED_ON.fullmatch(value)
        if passed and passed["name"] != name:
            yield f"{name} is taken from {passed['name']}"
        if passed and name in SETTINGS:
            default = default_text(Settings.model_fields[name.lower()].default)
            if passed["default"] != default:
                yield f"the default of {name} is {default!r}, not {passed['default']!r}"


def _check_variables(compose: dict[str, Any], example: set[str]) -> Iterator[str]:
    variables = set(re.findall(r"\$\{([A-Z_]+)", json.dumps(compose)))
    variables |= {secret["environment"] for secret in compose.get("secrets", {}).values()}
    yield from (f"{name} is used but not in .env.example" for name in sorted(variables - example))
