"""OpenID sign-in: which tokens and callbacks are accepted, and which are refused."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import RSAKey
from pydantic import SecretStr, ValidationError

from api.admin.oidc import parse_role_groups
from api.admin.sessions import Role
from core.errors import InvalidInput
from core.operators import MAX_FAILURES_PER_ADDRESS
from db.repositories import operator_actions
from db.repositories.operator_actions import StoredAuditEntry
from db.session import Database
from tests.api.admin.issuer import CLIENT, SECRET, Issuer, running_issuer
from tests.api.admin.test_login import new_address
from tests.api.admin.visitor import Visitor, open_visitor
from tests.api.harness import build_app, keyless_settings
from tests.intake.fakes import FakeRecoveries, unique_id

PUBLIC = "https://console.example.com"
ROLES = "admin=console-admins,operator=payments,viewer=Customer care, Berlin,viewer=support"
ACCESS: dict[str, Any] = {
    "oidc_client_id": CLIENT,
    "oidc_client_secret": SecretStr(SECRET),
    "oidc_roles": ROLES,
    "public_url": f"{PUBLIC}/",
    "session_secret": SecretStr("s" * 32),
}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """A running OpenID provider."""
    async with running_issuer() as running:
        yield running


def app_with_openid(db: Database, recoveries: FakeRecoveries, issuer: Issuer, **changes: Any) -> FastAPI:
    """An admin console with OpenID sign-in."""
    return build_app(db, recoveries, **ACCESS | {"oidc_issuer": issuer.address} | changes)


@pytest.fixture
async def visitor(database: Database, recoveries: FakeRecoveries, issuer: Issuer) -> AsyncIterator[Visitor]:
    """A browser without a session."""
    async with open_visitor(app_with_openid(database, recoveries, issuer), PUBLIC, new_address()) as opened_visitor:
        yield opened_visitor


async def authorize_url(visitor: Visitor, **query: str) -> str:
    """The address to which the admin console and then the provider redirect the browser."""
    page = await visitor.get_page("/admin/login/start", **query)
    assert page.status_code == 302, page.text
    async with httpx.AsyncClient() as browser:
        sent_back = await browser.get(page.headers["location"])
    assert sent_back.status_code == 307
    return str(sent_back.headers["location"])


async def sign_in_by_openid(visitor: Visitor, **query: str) -> httpx.Response:
    """The admin console's response after a sign-in at the provider."""
    return await visitor.get_page(await authorize_url(visitor, **query))


async def newest_audit_entry(db: Database, actor: str) -> StoredAuditEntry:
    """The newest audit entry of this actor."""
    async with db.begin() as session:
        return (await operator_actions.load_entries(session, 1, actor=actor)).items[0]


async def test_sign_in_by_openid_and_return(visitor: Visitor, issuer: Issuer, database: Database) -> None:
    issuer.claims = {"preferred_username": (username := unique_id("ann"))}
    answer = await sign_in_by_openid(visitor, next="/admin/recoveries?q=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/recoveries?q=x")
    page = (await visitor.get_page("/admin/recoveries")).text
    assert username in page
    assert '<span class="role">operator</span>' in page
    entry = await newest_audit_entry(database, username)
    assert (entry.action, entry.role, entry.detail) == ("login", "operator", {"how": "openid"})


async def test_authorization_request_has_the_required_parameters(visitor: Visitor, issuer: Issuer) -> None:
    await authorize_url(visitor)
    query = issuer.authorize_query
    assert (query["response_type"], query["client_id"], query["code_challenge_method"]) == ("code", CLIENT, "S256")
    assert query["redirect_uri"] == f"{PUBLIC}/admin/login/callback"
    assert "openid" in query["scope"].split()
    assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) >= 20
    await authorize_url(visitor)
    assert all(issuer.authorize_query[name] != query[name] for name in ("state", "nonce", "code_challenge"))


async def test_a_role_learned_at_a_sign_in_counts_for_the_other_sessions(
    visitor: Visitor, issuer: Issuer, database: Database, recoveries: FakeRecoveries
) -> None:
    username = unique_id("ann")
    issuer.claims = {"preferred_username": username, "roles": ["console-admins"]}
    await sign_in_by_openid(visitor)
    async with open_visitor(app_with_openid(database, recoveries, issuer), PUBLIC, new_address()) as elsewhere:
        issuer.claims = {"preferred_username": username, "roles": ["support"]}
        await sign_in_by_openid(elsewhere)
        assert '<span class="role">viewer</span>' in (await visitor.get_page("/admin/recoveries")).text
        issuer.claims = {"preferred_username": username, "roles": ["strangers"]}
        assert (await sign_in_by_openid(elsewhere)).status_code == 403
    assert not await visitor.is_signed_in()


async def test_sign_in_page_links_to_openid_without_a_password_form(visitor: Visitor) -> None:
    page = (await visitor.get_page("/admin/login", next="/admin/audit")).text
    assert 'href="/admin/login/start?next=%2Fadmin%2Faudit"' in page
    assert 'type="password"' not in page
    refused = await visitor.client.post("/admin/login", data={"name": "admin"})
    assert refused.status_code == 403


async def test_sign_out_ends_the_console_session(visitor: Visitor) -> None:
    await sign_in_by_openid(visitor)
    assert await visitor.is_signed_in()
    await visitor.client.post("/admin/logout", data={"token": await visitor.read_form_token("/admin/recoveries")})
    assert not await visitor.is_signed_in()


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"roles": ["support"]}, "viewer"),
    ({"roles": "payments"}, "operator"),
    ({"roles": ["support", "else", "console-admins", "payments"]}, "admin"),
    ({"roles": ["Customer care, Berlin"]}, "viewer"),
]


@pytest.mark.parametrize(("claims", "role"), CLAIMS)
async def test_the_highest_role_of_the_groups_counts(
    claims: dict[str, Any], role: str, visitor: Visitor, issuer: Issuer
) -> None:
    issuer.claims = claims
    await sign_in_by_openid(visitor)
    assert f'<span class="role">{role}</span>' in (await visitor.get_page("/admin/recoveries")).text


@pytest.mark.parametrize("claim", ["realm_access.roles", "https://console.example.com/roles"])
async def test_the_roles_claim_may_lie_deeper_or_have_dots_itself(
    claim: str, database: Database, recoveries: FakeRecoveries, issuer: Issuer
) -> None:
    issuer.claims = {
        "roles": None,
        "realm_access": {"roles": ["support"]},
        "https://console.example.com/roles": ["support"],
    }
    async with open_visitor(
        app_with_openid(database, recoveries, issuer, oidc_roles_claim=claim), PUBLIC, new_address()
    ) as visitor:
        assert (await sign_in_by_openid(visitor)).status_code == 303


@pytest.mark.parametrize("roles", [None, [], ["strangers"], {"payments": True}, 7, ["Payments"], [["payments"]]])
async def test_user_without_a_role_is_refused_with_a_reason(
    roles: Any, visitor: Visitor, issuer: Issuer, database: Database
) -> None:
    issuer.claims = {"roles": roles, "preferred_username": (username := unique_id("joe"))}
    answer = await sign_in_by_openid(visitor)
    assert answer.status_code == 403
    assert f"You are signed in as {username}, but have no role here." in answer.text
    assert not await visitor.is_signed_in()
    entry = await newest_audit_entry(database, username)
    assert (entry.action, entry.detail) == ("login_failed", {"how": "openid", "why": "no_role"})


@pytest.mark.parametrize("name", [None, "", "  ", "a\nb", "x" * 201, 7])
async def test_subject_is_used_without_a_usable_name(name: Any, visitor: Visitor, issuer: Issuer) -> None:
    issuer.claims = {"preferred_username": name}
    assert (await sign_in_by_openid(visitor)).status_code == 303
    assert "248289761001" in (await visitor.get_page("/admin/recoveries")).text


INVALID_CLAIMS: dict[str, dict[str, Any]] = {
    "wrong nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "expired": {"exp": int(time.time()) - 120},
    "no expiry": {"exp": None},
    "from the future": {"iat": int(time.time()) + 3600},
    "wrong audience": {"aud": "another"},
    "no audience": {"aud": None},
    "wrong audience, for us": {"aud": "another", "azp": CLIENT},
    "our audience, for another": {"aud": [CLIENT, "another"], "azp": "another"},
    "wrong issuer": {"iss": "https://evil.test"},
    "no issuer": {"iss": None},
    "no subject": {"sub": None},
}


@pytest.mark.parametrize("claims", INVALID_CLAIMS.values(), ids=INVALID_CLAIMS)
async def test_invalid_id_token_is_refused(claims: dict[str, Any], visitor: Visitor, issuer: Issuer) -> None:
    issuer.claims = claims
    answer = await sign_in_by_openid(visitor)
    assert (answer.status_code, "trusted" in answer.text) == (401, True)
    assert not await visitor.is_signed_in()


async def test_id_token_signed_by_another_key_is_refused(visitor: Visitor, issuer: Issuer) -> None:
    issuer.signing_key = RSAKey.generate_key(2048, {"kid": "one"})
    assert (await sign_in_by_openid(visitor)).status_code == 401


async def test_without_an_id_token_nobody_is_signed_in(visitor: Visitor, issuer: Issuer) -> None:
    issuer.with_token = False
    assert (await sign_in_by_openid(visitor)).status_code == 401


@pytest.mark.parametrize("algorithms", [["none"], ["HS256"], ["none", "HS256", "RS256"]])
@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_symmetric_or_missing_signature_is_refused(
    algorithm: str, algorithms: list[str], visitor: Visitor, issuer: Issuer
) -> None:
    issuer.metadata = {"id_token_signing_alg_values_supported": algorithms}
    issuer.algorithm = algorithm
    assert (await sign_in_by_openid(visitor)).status_code == 401
    issuer.algorithm = "RS256"
    assert (await sign_in_by_openid(visitor)).status_code == 303


async def test_a_new_key_of_the_provider_is_fetched(visitor: Visitor, issuer: Issuer) -> None:
    assert (await sign_in_by_openid(visitor)).status_code == 303
    issuer.key = RSAKey.generate_key(2048, {"kid": "two"})
    assert (await sign_in_by_openid(visitor)).status_code == 303


async def test_discovery_document_of_another_issuer_is_refused(visitor: Visitor, issuer: Issuer) -> None:
    issuer.metadata = {"issuer": "https://evil.test"}
    answer = await visitor.get_page("/admin/login/start")
    assert (answer.status_code, "does not answer as it should" in answer.text) == (503, True)


async def test_a_wrong_or_missing_state_is_refused(visitor: Visitor) -> None:
    back = await authorize_url(visitor)
    code = parse_qs(urlsplit(back).query)["code"][0]
    for query in ({"code": code, "state": "made-up"}, {"code": code}, {"state": ""}, {}):
        answer = await visitor.get_page("/admin/login/callback", **query)
        assert (answer.status_code, "not begun in this browser" in answer.text) == (400, True)
    assert not await visitor.is_signed_in()


async def test_callback_of_another_browser_is_refused(
    visitor: Visitor, database: Database, recoveries: FakeRecoveries, issuer: Issuer
) -> None:
    back = await authorize_url(visitor)
    async with open_visitor(app_with_openid(database, recoveries, issuer), PUBLIC, new_address()) as other:
        assert (await other.get_page(back)).status_code == 400
        await authorize_url(other)
        assert (await other.get_page(back)).status_code == 400
    assert (await visitor.get_page(back)).status_code == 303


async def test_callback_is_accepted_once(visitor: Visitor) -> None:
    back = await authorize_url(visitor)
    assert (await visitor.get_page(back)).status_code == 303
    assert (await visitor.get_page(back)).status_code == 400


async def test_refusal_of_the_identity_provider_is_shown(visitor: Visitor, issuer: Issuer) -> None:
    issuer.error = "access_denied"
    answer = await sign_in_by_openid(visitor)
    assert (answer.status_code, "refused: access_denied" in answer.text) == (403, True)
    issuer.error = "<script>alert(1)</script>"
    answer = await sign_in_by_openid(visitor)
    assert (answer.status_code, "refused: an error" in answer.text, "<script>alert" in answer.text) == (
        403,
        True,
        False,
    )


async def test_unreachable_identity_provider_is_503(database: Database, recoveries: FakeRecoveries) -> None:
    issuer = Issuer(address="http://127.0.0.1:1")
    async with open_visitor(app_with_openid(database, recoveries, issuer), PUBLIC, new_address()) as visitor:
        answer = await visitor.get_page("/admin/login/start")
        assert (answer.status_code, "try again later" in answer.text) == (503, True)


async def test_wrong_client_secret_is_shown_and_audited(
    database: Database, recoveries: FakeRecoveries, issuer: Issuer
) -> None:
    app = app_with_openid(database, recoveries, issuer, oidc_client_secret=SecretStr("wrong"))
    async with open_visitor(app, PUBLIC, new_address()) as visitor:
        answer = await sign_in_by_openid(visitor)
    assert (answer.status_code, "refused: invalid_client" in answer.text) == (403, True)


async def test_repeated_failures_lock_out_nobody_and_are_audited_with_a_limit(
    visitor: Visitor, database: Database, issuer: Issuer
) -> None:
    async def count_entries() -> int:
        async with database.begin() as session:
            page = await operator_actions.load_entries(session, 200, action="login_failed")
            return len([entry for entry in page.items if entry.detail.get("why") == "mismatching_state"])

    before = await count_entries()
    for _ in range(MAX_FAILURES_PER_ADDRESS + 3):
        assert (await visitor.get_page("/admin/login/callback")).status_code == 400
    assert await count_entries() == before + MAX_FAILURES_PER_ADDRESS
    issuer.claims = {"roles": None, "preferred_username": (username := unique_id("joe"))}
    assert (await sign_in_by_openid(visitor)).status_code == 403
    assert (await newest_audit_entry(database, username)).detail["why"] == "no_role"
    issuer.claims = {}
    assert (await sign_in_by_openid(visitor)).status_code == 303


async def test_overlong_return_path_is_dropped(visitor: Visitor) -> None:
    answer = await sign_in_by_openid(visitor, next="/admin/recoveries?q=" + "x" * 1500)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")


@pytest.mark.parametrize("missing", ["oidc_client_id", "oidc_roles", "public_url", "session_secret"])
def test_half_a_configuration_is_refused(missing: str) -> None:
    empty = SecretStr("") if missing == "session_secret" else ""
    with pytest.raises(ValidationError, match=f"OIDC_ISSUER needs {missing.upper()}"):
        keyless_settings(**ACCESS | {"oidc_issuer": "https://id.example.com", missing: empty})


def test_a_short_session_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="32 characters"):
        keyless_settings(session_secret=SecretStr("x" * 31))


def test_groups_may_hold_commas() -> None:
    admin, operator, care, support = parse_role_groups(ROLES)
    assert (admin, operator) == (("console-admins", Role.ADMIN), ("payments", Role.OPERATOR))
    assert (care, support) == (("Customer care, Berlin", Role.VIEWER), ("support", Role.VIEWER))


@pytest.mark.parametrize("text", ["", "admin", "admin=", "root=x", "=x", "x=admin"])
def test_other_roles_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="OIDC_ROLES"):
        parse_role_groups(text)
