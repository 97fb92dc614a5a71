"""Every error is a problem document, every answer has the security headers, and OpenAPI is complete."""

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.api.harness import ALL_SCOPES, ApiHarness


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/recoveries/", 404, "not_found"),
        ("GET", "/webhooks/stripe", 405, "method_not_allowed"),
        ("DELETE", "/v1/recoveries", 405, "method_not_allowed"),
        ("GET", "/%FF", 404, "not_found"),
        ("GET", "/v1/recoveries?limit=x", 422, "invalid_request"),
    ],
)
async def test_errors_are_problem_documents(
    method: str, path: str, status: int, code: str, harness: ApiHarness
) -> None:
    answer = await harness.client.request(method, path, headers=ALL_SCOPES)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert set(problem) >= {"type", "title", "status", "detail", "instance", "code"}
    assert problem["instance"] == path.partition("?")[0]


async def test_internal_error_reveals_no_details(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_bug() -> None:
        raise ZeroDivisionError("inner workings")

    monkeypatch.setattr(harness.app.state.parts.database, "begin", raise_bug)
    answer = await harness.client.get("/v1/recoveries", headers=ALL_SCOPES)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "inner workings" not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/v1/recoveries", "/docs", "/metrics"])
async def test_every_answer_carries_the_security_headers(path: str, harness: ApiHarness) -> None:
    headers = (await harness.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers


async def test_the_docs_come_from_here_alone_and_run_no_inline_script(harness: ApiHarness) -> None:
    answer = await harness.client.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert not re.findall(r"https?://|<style| style=| on\w+=|<script>", answer.text + policy)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(loaded) == 4
    for address in loaded:
        found = await harness.client.get(f"/{address}")
        assert (found.status_code, len(found.content) > 100) == (200, True)
        assert found.headers["cache-control"] == "public, max-age=86400"


@pytest.mark.parametrize("name", ["__init__.py", "../app.py", "%2e%2e/app.py", "__init__.pyc"])
async def test_the_docs_serve_no_source(name: str, harness: ApiHarness) -> None:
    answer = await harness.client.get(f"/docs/assets/{name}")
    assert answer.status_code == 404


def operations_of(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every operation with its path."""
    return [(path, operation) for path, methods in schema["paths"].items() for operation in methods.values()]


async def test_openapi_document_is_valid_and_complete(harness: ApiHarness) -> None:
    schema = (await harness.client.get("/openapi.json")).json()
    validate(schema)
    assert schema["components"]["securitySchemes"]
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    for path, operation in operations_of(schema):
        assert operation["summary"], path
        assert operation["description"], path
        assert bool(operation.get("security")) is path.startswith(("/v1/", "/metrics"))
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
    states = schema["components"]["schemas"]["State"]["enum"]
    assert "awaiting_customer" in states
