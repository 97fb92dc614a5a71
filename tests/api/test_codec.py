"""Encrypted payloads of Temporal are decoded for keys with the scope, and for operators at Temporal's web UI."""

import base64
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from google.protobuf import json_format
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload, Payloads

from api.admin.sessions import Role
from db.repositories import operator_actions
from db.session import Database
from observability.encryption import encryption_codec
from tests.api.admin.console import AdminBrowser
from tests.api.harness import ALL_SCOPES, ApiHarness, build_app, open_harness
from tests.intake.fakes import FakeRecoveries, unique_id

OLD, NEW, LOST = (
    SecretStr(f"{name}:{base64.b64encode(name[0].encode() * 32).decode()}") for name in ("old", "new", "lost")
)
UI = "https://temporal.example.com"
ORIGIN = {"Origin": UI}
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"invoice": "in_1"}')
DECODE = "/v1/codec/decode"
DECODE_FOR_UI = "/admin/codec/decode"


def codec_app(db: Database, recoveries: FakeRecoveries) -> FastAPI:
    """The application with two keys in flight and a web UI of Temporal."""
    return build_app(db, recoveries, payload_encryption_keys=(NEW, OLD), temporal_ui_url=f"{UI}/some/page")


@pytest.fixture
async def harness(database: Database, recoveries: FakeRecoveries) -> Any:
    """That application."""
    async with open_harness(codec_app(database, recoveries), database, recoveries) as opened_harness:
        yield opened_harness


async def encrypted(*keys: SecretStr, payload: Payload = PLAIN) -> Payload:
    """The payload as the first of these keys encrypts it."""
    codec = encryption_codec(keys)
    assert codec
    return (await codec.encode([payload]))[0]


def body_of(*payloads: Payload) -> dict[str, Any]:
    """Payloads in protobuf's JSON."""
    return json_format.MessageToDict(Payloads(payloads=payloads))


def payloads_in(answer: httpx.Response) -> list[Payload]:
    """The payloads of an answer."""
    assert answer.status_code == 200, answer.text
    return list(json_format.Parse(answer.text, Payloads()).payloads)


async def test_payloads_of_every_key_and_plain_ones_are_decoded_in_order(harness: ApiHarness) -> None:
    second = Payload(metadata={"encoding": b"json/plain"}, data=b"2")
    sent = body_of(await encrypted(OLD), second, await encrypted(NEW), Payload(metadata={"encoding": b"binary/null"}))
    answer = await harness.client.post(DECODE, json=sent, headers=ALL_SCOPES | {"X-Namespace": "default"})
    assert payloads_in(answer) == [PLAIN, second, PLAIN, Payload(metadata={"encoding": b"binary/null"})]


async def test_an_unknown_key_is_named(harness: ApiHarness) -> None:
    answer = await harness.client.post(DECODE, json=body_of(await encrypted(LOST)), headers=ALL_SCOPES)
    assert answer.status_code == 400
    assert answer.json()["detail"] == "A payload is encrypted with the key 'lost', which PAYLOAD_ENCRYPTION_KEYS lacks."


@pytest.mark.parametrize(
    ("sent", "status"),
    [({"payloads": [{"data": "a"}]}, 400), ({"payloads": [{"metadata": {"\ud800": "x"}}]}, 400),
     ({"payloads": [{"metadata": {"encoding": "a"}}]}, 400), ({"payloads": [{"data": 7}]}, 422),
     ({"payloads": [{}] * 1001}, 422), ({"payloads": "x"}, 422), ([], 422), ({}, 200)],
)  # fmt: skip
async def test_bad_payloads_are_refused(sent: Any, status: int, harness: ApiHarness) -> None:
    answer = await harness.client.post(
        DECODE, content=json.dumps(sent), headers=ALL_SCOPES | {"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text


async def test_altered_payloads_are_refused(harness: ApiHarness) -> None:
    payload = await encrypted(NEW)
    altered = Payload(metadata=payload.metadata, data=payload.data[:-1] + b"x")
    answer = await harness.client.post(DECODE, json=body_of(altered), headers=ALL_SCOPES)
    assert (answer.status_code, "was altered" in answer.json()["detail"]) == (400, True)


async def test_nothing_is_encoded_and_no_other_namespace_decoded(harness: ApiHarness) -> None:
    assert (await harness.client.post("/v1/codec/encode", json=body_of(PLAIN), headers=ALL_SCOPES)).status_code == 404
    other = ALL_SCOPES | {"X-Namespace": "another"}
    assert (await harness.client.post(DECODE, json=body_of(await encrypted(NEW)), headers=other)).status_code == 404


async def test_readers_are_audited_once_a_minute(harness: ApiHarness) -> None:
    name = unique_id("reader")
    key = await harness.create_key("payloads:decode", name=name)
    for _ in range(3):
        assert (await harness.client.post(DECODE, json=body_of(await encrypted(NEW)), headers=key)).status_code == 200
    async with harness.db.begin() as session:
        entries = (await operator_actions.load_entries(session, actor=name)).items
    assert [(entry.action, entry.detail) for entry in entries] == [("payloads_decoded", {})]


# --- Temporal's web UI ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.OPERATOR, 200), (Role.ADMIN, 200)])
async def test_operators_read_in_temporals_ui(role: Role, status: int, harness: ApiHarness) -> None:
    name = unique_id("ann")
    cookies = await AdminBrowser(harness).sign_in_as(role, name).cookie_header()
    sent = body_of(await encrypted(OLD))
    answer = await harness.client.post(DECODE_FOR_UI, json=sent, headers=cookies | ORIGIN | {"X-Namespace": "default"})
    assert answer.status_code == status, answer.text
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    async with harness.db.begin() as session:
        entries = (await operator_actions.load_entries(session, actor=name)).items
    assert [(entry.action, entry.role) for entry in entries] == (
        [("payloads_decoded", role.value)] if status == 200 else []
    )
    assert status != 200 or payloads_in(answer) == [PLAIN]


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.test", "http://temporal.example.com", f"{UI}:8443", f"{UI}.evil.test"]
)
async def test_no_other_origin_gets_an_answer(origin: str | None, harness: ApiHarness) -> None:
    headers = await AdminBrowser(harness).sign_in_as(Role.ADMIN).cookie_header() | (
        {"Origin": origin} if origin else {}
    )
    answer = await harness.client.post(DECODE_FOR_UI, json=body_of(await encrypted(NEW)), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in answer.headers


async def test_strangers_are_told_to_sign_in(harness: ApiHarness) -> None:
    for headers in ({}, ALL_SCOPES):
        answer = await harness.client.post(DECODE_FOR_UI, json=body_of(await encrypted(NEW)), headers=headers | ORIGIN)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(("origin", "allowed"), [(UI, True), ("https://evil.test", False)])
async def test_browsers_may_ask_first(origin: str, allowed: bool, harness: ApiHarness) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
    }
    answer = await harness.client.options(DECODE_FOR_UI, headers=asked)
    assert (answer.status_code, answer.headers.get("access-control-allow-origin") == UI) == (
        (200, True) if allowed else (400, False)
    )
    assert "access-control-allow-origin" not in (await harness.client.options(DECODE, headers=asked)).headers


async def test_without_keys_or_ui_nothing_is_decoded(database: Database, recoveries: FakeRecoveries) -> None:
    async with open_harness(build_app(database, recoveries), database, recoveries) as plain:
        answer = await plain.client.post(DECODE, json=body_of(PLAIN), headers=ALL_SCOPES)
        assert (answer.status_code, "nothing is encrypted" in answer.json()["detail"]) == (404, True)
    async with open_harness(build_app(database, recoveries, temporal_ui_url=""), database, recoveries) as hidden:
        headers = await AdminBrowser(hidden).sign_in_as(Role.ADMIN).cookie_header()
        for origin in ({}, {"Origin": ""}, {"Origin": "null"}):
            answer = await hidden.client.post(DECODE_FOR_UI, json=body_of(PLAIN), headers=headers | origin)
            assert answer.status_code == 403
