"""Who gets in, and how far."""

import pytest

from api.admin.app import COOKIE
from tests.browser.window import Window
from tests.support import stacks
from tests.support.world import World

FORBIDDEN = "403 (Forbidden)"


async def test_a_page_without_sign_in_leads_there_and_back(window: Window, world: World) -> None:
    await window.go("/recoveries?q=in_1")
    assert window.path.startswith("/admin/login?next=")
    await window.page.get_by_label("User name").fill("admin")
    await window.page.get_by_label("Password").fill(world.place.key)
    await window.press("Sign in")
    assert window.path == "/admin/recoveries?q=in_1"


async def test_a_wrong_password_is_told_and_changes_nothing(window: Window) -> None:
    window.forgive("401 (Unauthorized)")
    await window.sign_in("oscar", "not-the-password")
    await window.reads("don't fit")
    await window.go("/recoveries")
    assert window.path.startswith("/admin/login")


async def test_a_session_that_ended_leads_to_the_sign_in(operator: Window) -> None:
    await operator.page.context.clear_cookies(name=COOKIE)
    await operator.page.get_by_role("link", name="Recoveries").click()
    await operator.page.wait_for_url("**/admin/login**")
    await operator.reads("Sign in")


async def test_signing_out_ends_it(operator: Window) -> None:
    await operator.press("Sign out", operator.page.locator("header"))
    await operator.go("/policies")
    assert operator.path.startswith("/admin/login")


async def test_whoever_may_only_look_sees_no_buttons(viewer: Window, world: World) -> None:
    recovery = await world.fails("card_velocity_exceeded")
    await recovery.until_event("retry.planned")
    await viewer.go(f"/recoveries/stripe/{recovery.invoice}")
    await viewer.reads(recovery.invoice)
    assert not await viewer.page.locator("details.act").count()
    viewer.forgive(FORBIDDEN)
    token = await viewer.page.locator("header input[name=token]").get_attribute("value")
    address = f"{viewer.base}/admin/recoveries/stripe/{recovery.invoice}/cancel"
    answer = await viewer.page.request.post(address, form={"reason": "no right", "token": token or ""})
    assert answer.status == 403
    assert (await recovery.view())["state"] == "waiting"


@pytest.mark.parametrize("token", [None, "made up"])
async def test_a_form_from_elsewhere_does_nothing(desk: Window, world: World, token: str | None) -> None:
    recovery = await world.fails("card_velocity_exceeded")
    await recovery.until_event("retry.planned")
    address = f"{desk.base}/admin/recoveries/stripe/{recovery.invoice}/cancel"
    fields: dict[str, str | float | bool] = {"reason": "forged"}
    if token:
        fields["token"] = token
    answer = await desk.page.request.post(address, form=fields)
    assert answer.status == 403
    assert "out of date" in await answer.text()
    assert (await recovery.view())["state"] == "waiting"


async def test_the_cookie_is_for_the_desk_alone(operator: Window) -> None:
    cookies = [one for one in await operator.page.context.cookies() if one.get("name") == COOKIE]
    assert [(one.get("path"), one.get("httpOnly"), one.get("sameSite")) for one in cookies] == [("/admin", True, "Lax")]
    assert stacks.PASSWORD not in str(cookies)
