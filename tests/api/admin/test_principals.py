"""One person is one principal over the console and the API; the bootstrap key is nobody's second person."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from api.admin.sessions import Role
from core.contracts import RecoveryStatus
from core.events import State
from db.session import Database
from tests.api.admin.visitor import PASSWORD, Visitor, local_users, open_visitor
from tests.api.conftest import operator_policy
from tests.api.harness import ALL_SCOPES, BOOTSTRAP, ApiHarness, build_app, open_harness
from tests.intake.fakes import FakeRecoveries, failure_event, store_recovery, unique_id

WRITE = ("recoveries:read", "recoveries:write")
LARGE, SMALL = 5000, 500
CAP = 3


@pytest.fixture
async def service(database: Database, recoveries: FakeRecoveries, tmp_path: Any) -> AsyncIterator[ApiHarness]:
    """An application with the console user Ann, two people above 10.00 EUR, and 3 retries an hour."""
    recoveries.answer = RecoveryStatus(recovery_id="any", state=State.WAITING, sequence=3)
    people = SecretStr(local_users(ann=Role.OPERATOR))
    app = build_app(database, recoveries, local_users=people, policy_file=operator_policy(tmp_path, CAP))
    async with open_harness(app, database, recoveries) as harness:
        yield harness


async def start_recovery(service: ApiHarness, amount: int) -> str:
    """The path of a running recovery, below `/v1` and `/admin`."""
    invoice = unique_id("in_two")
    opened = await store_recovery(service.db, failure_event(invoice, amount=amount))
    service.recoveries.running.add(opened.recovery_id)
    return f"/recoveries/stripe/{invoice}"


async def retry_over_api(service: ApiHarness, path: str, key: dict[str, str]) -> int:
    """The status of a retry over the API."""
    answer = await service.client.post(f"/v1{path}/retry", json={"reason": "api"}, headers=key)
    return answer.status_code


async def retry_in_console(visitor: Visitor, path: str) -> None:
    """A retry by the button."""
    token = await visitor.read_form_token(f"/admin{path}")
    answer = await visitor.client.post(f"/admin{path}/retry", data={"token": token, "reason": "console"})
    assert answer.status_code == 303


async def sign_in(visitor: Visitor, name: str, password: str) -> Visitor:
    """The visitor, signed in."""
    assert (await visitor.sign_in(name, password)).status_code == 303
    return visitor


async def test_key_and_console_sign_in_of_one_person_are_not_two_people(service: ApiHarness) -> None:
    key = await service.create_key(*WRITE, name="Ann")
    async with open_visitor(service.app) as visitor:
        browser = await sign_in(visitor, "ann", PASSWORD)
        for first_in_console in (True, False):
            path = await start_recovery(service, LARGE)
            if first_in_console:
                await retry_in_console(browser, path)
            assert await retry_over_api(service, path, key) == 403
            await retry_in_console(browser, path)
            assert service.recoveries.submitted_commands == []
            bob = await service.create_key(*WRITE, name=unique_id("bob"))
            assert await retry_over_api(service, path, bob) == 200
            service.recoveries.submitted_commands.clear()


async def test_own_request_is_marked_as_own_in_the_review_queue(service: ApiHarness) -> None:
    path = await start_recovery(service, LARGE)
    assert await retry_over_api(service, path, await service.create_key(*WRITE, name="ANN")) == 403
    async with open_visitor(service.app) as visitor:
        browser = await sign_in(visitor, "ann", PASSWORD)
        assert f'action="/admin/reviews{path.removeprefix("/recoveries")}/retry"' not in await page_text(browser)


async def page_text(browser: Visitor) -> str:
    """The page of the review queue."""
    page = await browser.get_page("/admin/reviews")
    assert page.status_code == 200
    return page.text


async def test_bootstrap_key_in_two_forms_is_not_two_people(service: ApiHarness) -> None:
    async with open_visitor(service.app) as visitor:
        browser = await sign_in(visitor, "admin", BOOTSTRAP)
        path = await start_recovery(service, LARGE)
        assert await retry_over_api(service, path, ALL_SCOPES) == 403
        await retry_in_console(browser, path)
        other = await start_recovery(service, LARGE)
        await retry_in_console(browser, other)
        assert await retry_over_api(service, other, ALL_SCOPES) == 403
        assert service.recoveries.submitted_commands == []


async def test_bootstrap_key_in_the_console_is_never_the_second_person(service: ApiHarness) -> None:
    path = await start_recovery(service, LARGE)
    assert await retry_over_api(service, path, await service.create_key(*WRITE, name="ann")) == 403
    async with open_visitor(service.app) as visitor:
        await retry_in_console(await sign_in(visitor, "admin", BOOTSTRAP), path)
        assert service.recoveries.submitted_commands == []
        await retry_in_console(await sign_in(visitor, "ann", PASSWORD), path)
        assert service.recoveries.submitted_commands == []


async def test_retries_of_one_person_count_together_over_console_and_api(service: ApiHarness) -> None:
    name = unique_id("olga")
    people = SecretStr(local_users(**{name: Role.OPERATOR}))
    file = service.app.state.parts.settings.policy_file
    app = build_app(service.db, service.recoveries, local_users=people, policy_file=file)
    key = await service.create_key(*WRITE, name=name.upper())
    async with open_visitor(app) as visitor:
        browser = await sign_in(visitor, name, PASSWORD)
        for _ in range(CAP):
            await retry_in_console(browser, await start_recovery(service, SMALL))
        assert await retry_over_api(service, await start_recovery(service, SMALL), key) == 429
    assert len(service.recoveries.submitted_commands) == CAP
