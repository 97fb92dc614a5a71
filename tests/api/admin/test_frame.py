"""What holds for every page of the admin console: a session is needed, and forms carry its token."""

from datetime import timedelta

import pytest

from api.admin.sessions import Role
from tests.api.admin.console import AdminBrowser
from tests.api.harness import BOOTSTRAP


@pytest.mark.parametrize("path", ["/", "/recoveries", "/recoveries?q=%C3%A4"])
async def test_signed_out_page_redirects_to_sign_in_and_back(path: str, console: AdminBrowser) -> None:
    answer = await console.get_page(path)
    assert answer.status == 303
    signing = await console.get_page(answer.response.headers["location"])
    assert signing.form_to("/login").fields["next"] == f"/admin{path}"


async def test_ended_session_is_reported(console: AdminBrowser) -> None:
    answer = await console.sign_in_as(session_length=timedelta(seconds=-1)).get_page("/recoveries")
    assert answer.status == 303
    assert "Your session has ended" in (await console.get_page(answer.response.headers["location"])).text


async def test_signing_in_with_name_and_password(console: AdminBrowser) -> None:
    form = (await console.get_page("/login", next="/admin/recoveries")).form_to("/login")
    refused = await console.submit_form("/login", **form.fields | {"username": "admin", "password": "no"})
    assert (refused.status, "Wrong name or password" in refused.text) == (401, True)
    accepted = await console.submit_form("/login", **form.fields | {"username": "admin", "password": BOOTSTRAP})
    assert (accepted.status, accepted.response.headers["location"]) == (303, "/admin/recoveries")
    assert "admin" in (await console.get_page("/recoveries")).text


async def test_a_form_needs_the_token_of_its_session(console: AdminBrowser) -> None:
    browser = console.sign_in_as(Role.VIEWER)
    for token in (None, "", "another"):
        answer = await browser.submit_form("/logout", token=token)
        assert (answer.status, "Go back and send it again" in answer.text) == (403, True)
    assert (await browser.submit_form("/logout")).status == 303


async def test_pages_obey_the_content_security_policy(console: AdminBrowser) -> None:
    answer = await console.sign_in_as(Role.VIEWER).get_page("/recoveries")
    policy = answer.response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    for forbidden in (" style=", "<style", "onclick=", "<script>", "http://", "https://"):
        assert forbidden not in answer.html
