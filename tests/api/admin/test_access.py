"""How the settings control sign-in: which ways are open, what signs sessions, which settings are refused."""

import re
from typing import Any

import pytest
from pydantic import SecretStr

from api.admin import local_users as local_people
from api.admin.local_users import LocalUser, LocalUsers, format_local_user
from api.admin.login_config import build_login_config, check_passwords
from api.admin.sessions import Role
from core.errors import InvalidInput
from db.session import Database
from tests.api.admin.test_oidc import ACCESS
from tests.api.admin.visitor import HASH, PASSWORD, local_users, open_visitor
from tests.api.harness import BOOTSTRAP, build_app, keyless_settings
from tests.intake.fakes import FakeRecoveries

LIVE: dict[str, dict[str, Any]] = {
    "Stripe": {"stripe_api_key": SecretStr("rk_live_x")},
    "Adyen": {"adyen_api_key": SecretStr("x"), "adyen_api_base": "https://p-checkout-live.adyenpayments.com/checkout"},
    "Braintree": {"braintree_api_base": "https://api.braintreegateway.com:443"},
}
NO_BOOTSTRAP: dict[str, Any] = {"bootstrap_api_key": SecretStr("")}
OPENID: dict[str, Any] = ACCESS | {"oidc_issuer": "https://id.example.com"}


def test_passwords_are_allowed_by_default_on_a_development_machine() -> None:
    config = build_login_config(keyless_settings())
    assert (bool(config.local), config.openid, config.notes, config.secure) == (True, None, (), False)


@pytest.mark.parametrize("provider", LIVE)
def test_password_sign_in_is_off_in_live_mode(provider: str) -> None:
    config = build_login_config(keyless_settings(**LIVE[provider], local_users=SecretStr(local_users(ann=Role.ADMIN))))
    assert not config.local
    assert config.notes == (f"the admin console's sign-in by password is off: {provider} is live; set OIDC_ISSUER",)


def test_password_sign_in_is_off_with_openid() -> None:
    config = build_login_config(keyless_settings(**OPENID))
    assert (bool(config.local), config.openid is not None, config.secure) == (False, True, True)
    assert config.notes == ("the admin console's sign-in by password is off: OIDC_ISSUER is set",)
    assert build_login_config(keyless_settings(**OPENID, bootstrap_api_key=SecretStr(""))).notes == ()


async def test_disabled_sign_in_is_refused_and_not_shown(database: Database, recoveries: FakeRecoveries) -> None:
    people = SecretStr(local_users(ann=Role.ADMIN))
    app = build_app(database, recoveries, **LIVE["Stripe"], **NO_BOOTSTRAP, local_users=people)
    assert app.state.notes
    async with open_visitor(app) as visitor:
        page = await visitor.get_page("/admin/login")
        assert 'type="password"' not in page.text
        assert "OIDC_ISSUER" in page.text
        assert (await visitor.get_page("/admin/login/start")).status_code == 404
        assert (await visitor.get_page("/admin/login/callback")).status_code == 404


def test_sessions_are_signed_by_a_key_that_all_processes_share() -> None:
    own = keyless_settings(session_secret=SecretStr("x" * 32))
    assert build_login_config(own).secret == build_login_config(own).secret
    assert (
        build_login_config(keyless_settings()).secret
        == build_login_config(keyless_settings()).secret
        != build_login_config(own).secret
    )
    assert "xxx" not in build_login_config(own).secret
    assert "bootstrap" not in build_login_config(keyless_settings()).secret
    other = keyless_settings(bootstrap_api_key=SecretStr("another-key"))
    assert build_login_config(other).secret != build_login_config(keyless_settings()).secret


def test_another_issuer_invalidates_sessions() -> None:
    first_key, second_key = (
        keyless_settings(**OPENID),
        keyless_settings(**OPENID | {"oidc_issuer": "https://id2.example.com"}),
    )
    assert build_login_config(first_key).secret != build_login_config(second_key).secret
    assert (
        build_login_config(first_key).secret
        != build_login_config(keyless_settings(session_secret=ACCESS["session_secret"])).secret
    )


def test_disabled_bootstrap_key_signs_no_sessions() -> None:
    """It may be short: whoever sees a signed cookie could find it by brute force."""
    live = keyless_settings(**LIVE["Stripe"])
    assert build_login_config(live).secret != build_login_config(live).secret


@pytest.mark.parametrize("name", ["public_url", "oidc_issuer"])
def test_live_mode_needs_https_addresses(name: str) -> None:
    plain = OPENID | {name: "http://somewhere.example.com"}
    assert build_login_config(keyless_settings(**plain)).openid
    with pytest.raises(InvalidInput, match=f"{name.upper()} must begin with https: Stripe is live"):
        build_login_config(keyless_settings(**plain, **LIVE["Stripe"]))


def test_sessions_end_with_the_process_without_a_signing_key() -> None:
    alone = keyless_settings(bootstrap_api_key=SecretStr(""), local_users=SecretStr(local_users(ann=Role.ADMIN)))
    assert build_login_config(alone).secret != build_login_config(alone).secret
    assert "sessions end with this process" in build_login_config(alone).notes[0]
    closed = build_login_config(keyless_settings(bootstrap_api_key=SecretStr("")))
    assert (bool(closed.local), closed.notes) == (False, ())


@pytest.mark.parametrize(
    ("name", "address"),
    [("public_url", "console.example.com"), ("public_url", "ftp://console.example.com"), ("oidc_issuer", "id"),
     ("public_url", "https://console.example.com?x=1"), ("public_url", "https://")],
)  # fmt: skip
def test_invalid_address_is_refused_at_start(name: str, address: str) -> None:
    with pytest.raises(InvalidInput, match=name.upper()):
        build_login_config(keyless_settings(**OPENID | {name: address}))


@pytest.mark.parametrize(
    "text",
    ["ann", "ann:admin", "ann:root:" + HASH, f"ann::{HASH}", f":admin:{HASH}", f"a:b:admin:{HASH}", "ann:admin:plain",
     f"ann:admin:{HASH} ann:viewer:{HASH}", "ann:admin:$argon2id$v=19$m=8", f"än:admin:{HASH}"],
)  # fmt: skip
def test_invalid_local_users_are_refused_without_showing_hashes(text: str) -> None:
    with pytest.raises(InvalidInput, match="LOCAL_USERS") as excinfo:
        local_people.parse_local_users(text)
    assert "argon2" not in str(excinfo.value)


def test_local_user_entry_matches_only_its_password() -> None:
    text = format_local_user("ann@example.com", Role.OPERATOR, PASSWORD)
    assert re.fullmatch(r"ann@example\.com:operator:\$argon2id\$\S+", text)
    assert PASSWORD not in text
    people = LocalUsers(
        local_people.parse_local_users(f"{text}\n {format_local_user('bob', Role.VIEWER, 'another password')}"), ""
    )
    assert people.role_of("ann@example.com", PASSWORD) is Role.OPERATOR
    assert people.role_of("bob", PASSWORD) is None


@pytest.mark.parametrize(("name", "password"), [("ann", "short"), ("a b", PASSWORD), ("", PASSWORD), ("a:b", PASSWORD)])
def test_local_user_entry_needs_a_name_and_a_password(name: str, password: str) -> None:
    with pytest.raises(InvalidInput):
        format_local_user(name, Role.VIEWER, password)


def test_empty_password_matches_no_user() -> None:
    assert not LocalUsers({}, "")
    assert LocalUsers({}, "").role_of("admin", "") is None
    assert LocalUsers({"ann": LocalUser(role=Role.VIEWER, hash=HASH)}, "").role_of("admin", "") is None


@pytest.mark.parametrize("provider", LIVE)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_bootstrap_key_is_refused_with_live_settings(
    provider: str, host: str, database: Database, recoveries: FakeRecoveries
) -> None:
    with pytest.raises(InvalidInput, match=f"BOOTSTRAP_API_KEY .* {provider}'s live settings") as refused:
        build_app(database, recoveries, **LIVE[provider], api_host=host)
    assert BOOTSTRAP not in str(refused.value)
    build_app(database, recoveries, **LIVE[provider], **NO_BOOTSTRAP, api_host=host)


@pytest.mark.parametrize(
    ("host", "refused"),
    [("127.0.0.1", False), ("127.8.0.1", False), ("::1", False), ("localhost", False), ("LocalHost", False),
     ("0.0.0.0", True), ("::", True), ("192.168.1.7", True), ("localhost.example.com", True), ("", True)],
)  # fmt: skip
def test_local_users_are_refused_with_live_settings_off_loopback(host: str, refused: bool) -> None:
    people = {"local_users": SecretStr(local_users(ann=Role.ADMIN))}
    settings = keyless_settings(**LIVE["Stripe"], **NO_BOOTSTRAP, **people).model_copy(update={"api_host": host})
    if refused:
        with pytest.raises(InvalidInput, match=r"LOCAL_USERS .* OIDC_ISSUER"):
            check_passwords(settings)
    else:
        check_passwords(settings)
        assert not build_login_config(settings).local
    check_passwords(keyless_settings(**people).model_copy(update={"api_host": host}))


def test_one_person_is_listed_once_however_spelled() -> None:
    with pytest.raises(InvalidInput, match="Ann is there twice"):
        local_people.parse_local_users(f"ann:admin:{HASH} Ann:viewer:{HASH}")


def test_listed_admin_in_any_spelling_disables_the_bootstrap_key() -> None:
    people = LocalUsers({"Admin": LocalUser(role=Role.VIEWER, hash=HASH)}, BOOTSTRAP)
    assert people.role_of("admin", BOOTSTRAP) is None
    assert not people.is_bootstrap_name("admin")
    assert LocalUsers({}, BOOTSTRAP).is_bootstrap_name("admin")
