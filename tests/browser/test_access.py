"""Sign-in and permissions in a browser."""

import pytest

from api.admin.app import SESSION_COOKIE
from tests.browser.window import Window
from tests.support import stacks
from tests.support.service import RunningService

FORBIDDEN = "403 (Forbidden)"


async def test_a_page_without_sign_in_leads_there_and_back(window: Window, service: RunningService) -> None:
    await window.open_page("/recoveries?q=in_1")
    assert window.path.startswith("/admin/login?next=")
    await window.page.get_by_label("User name").fill("admin")
    await window.page.get_by_label("Password").fill(service.endpoints.key)
    await window.press_button("Sign in")
    assert window.path == "/admin/recoveries?q=in_1"


async def test_wrong_password_is_reported_and_changes_nothing(window: Window) -> None:
    window.expect_complaints("401 (Unauthorized)")
    await window.sign_in("oscar", "not-the-password")
    await window.wait_for_words("Wrong name or password")
    await window.open_page("/recoveries")
    assert window.path.startswith("/admin/login")


async def test_a_session_that_ended_leads_to_the_sign_in(operator: Window) -> None:
    await operator.page.context.clear_cookies(name=SESSION_COOKIE)
    await operator.page.get_by_role("link", name="Recoveries").click()
    await operator.page.wait_for_url("**/admin/login**")
    await operator.wait_for_words("Sign in")


async def test_signing_out_ends_it(operator: Window) -> None:
    await operator.press_button("Sign out", operator.page.locator("header"))
    await operator.open_page("/policies")
    assert operator.path.startswith("/admin/login")


async def test_viewer_sees_no_buttons(viewer: Window, service: RunningService) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    await viewer.open_page(f"/recoveries/stripe/{recovery.invoice}")
    await viewer.wait_for_words(recovery.invoice)
    assert not await viewer.page.locator("details.act").count()
    viewer.expect_complaints(FORBIDDEN)
    token = await viewer.page.locator("header input[name=token]").get_attribute("value")
    address = f"{viewer.base}/admin/recoveries/stripe/{recovery.invoice}/cancel"
    answer = await viewer.page.request.post(address, form={"reason": "no right", "token": token or ""})
    assert answer.status == 403
    assert (await recovery.fetch_view())["state"] == "waiting"


@pytest.mark.parametrize("token", [None, "made up"])
async def test_form_from_another_site_is_refused(console: Window, service: RunningService, token: str | None) -> None:
    recovery = await service.create_failure("card_velocity_exceeded")
    await recovery.wait_for_event("retry.planned")
    address = f"{console.base}/admin/recoveries/stripe/{recovery.invoice}/cancel"
    fields: dict[str, str | float | bool] = {"reason": "forged"}
    if token:
        fields["token"] = token
    answer = await console.page.request.post(address, form=fields)
    assert answer.status == 403
    assert "out of date" in await answer.text()
    assert (await recovery.fetch_view())["state"] == "waiting"


async def test_the_cookie_is_for_the_console_alone(operator: Window) -> None:
    cookies = [cookie for cookie in await operator.page.context.cookies() if cookie.get("name") == SESSION_COOKIE]
    assert [(cookie.get("path"), cookie.get("httpOnly"), cookie.get("sameSite")) for cookie in cookies] == [
        ("/admin", True, "Lax")
    ]
    assert stacks.PASSWORD not in str(cookies)
