"""Checking a candidate policy in the admin console."""

from api.admin.sessions import Role
from core.policy.policy import parse_policy
from db.repositories import operator_actions
from settings import SHIPPED_POLICY
from tests.api.admin.console import AdminBrowser
from tests.intake.fakes import unique_id

SHIPPED = SHIPPED_POLICY.read_text()


async def test_policy_check_is_audited_for_a_valid_candidate(console: AdminBrowser) -> None:
    username = unique_id("vera")
    browser = console.sign_in_as(Role.VIEWER, username)
    for text in ("", "format = 1", SHIPPED):
        await browser.submit_form("/policies/candidate", policy=text)
    async with console.harness.db.begin() as session:
        (entry,) = (await operator_actions.load_entries(session, actor=username)).items
    version = parse_policy(SHIPPED, "shipped").version
    assert (entry.action, entry.subject, entry.role) == ("policy_uploaded", version, "viewer")
