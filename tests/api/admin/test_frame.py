"""What every page of the desk promises: only the signed in see it, forms come from a page, nothing from elsewhere."""

from datetime import timedelta

import pytest

from api.admin.people import Role
from tests.api.admin.desk import Desk
from tests.api.house import BOOTSTRAP


@pytest.mark.parametrize("path", ["/", "/recoveries", "/recoveries?q=%C3%A4"])
async def test_a_page_without_login_leads_to_it_and_back(path: str, desk: Desk) -> None:
    answer = await desk.get(path)
    assert answer.status == 303
    signing = await desk.get(answer.response.headers["location"])
    assert signing.form("/login").fields["next"] == f"/admin{path}"


async def test_an_ended_session_says_so(desk: Desk) -> None:
    answer = await desk.signed_in(stay=timedelta(seconds=-1)).get("/recoveries")
    assert answer.status == 303
    assert "Your session has ended" in (await desk.get(answer.response.headers["location"])).text


async def test_signing_in_with_name_and_password(desk: Desk) -> None:
    form = (await desk.get("/login", next="/admin/recoveries")).form("/login")
    wrong = await desk.send("/login", **form.fields | {"username": "admin", "password": "no"})
    assert (wrong.status, "don't fit" in wrong.text) == (401, True)
    right = await desk.send("/login", **form.fields | {"username": "admin", "password": BOOTSTRAP})
    assert (right.status, right.response.headers["location"]) == (303, "/admin/recoveries")
    assert "admin" in (await desk.get("/recoveries")).text


async def test_a_form_needs_the_token_of_its_session(desk: Desk) -> None:
    here = desk.signed_in(Role.VIEWER)
    for token in (None, "", "another"):
        answer = await here.send("/logout", token=token)
        assert (answer.status, "Go back and send it again" in answer.text) == (403, True)
    assert (await here.send("/logout")).status == 303


async def test_pages_hold_to_the_strict_policy(desk: Desk) -> None:
    answer = await desk.signed_in(Role.VIEWER).get("/recoveries")
    policy = answer.response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    for forbidden in (" style=", "<style", "onclick=", "<script>", "http://", "https://"):
        assert forbidden not in answer.html
