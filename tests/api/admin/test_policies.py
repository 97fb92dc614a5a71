"""A candidate policy that somebody checks in the desk."""

from api.admin.people import Role
from core.retry.policy import parse
from db.repositories import operator_actions
from settings import SHIPPED_POLICY
from tests.api.admin.desk import Desk
from tests.intake.fakes import unique

SHIPPED = SHIPPED_POLICY.read_text()


async def test_who_checked_which_candidate_is_kept_if_it_is_one(desk: Desk) -> None:
    who = unique("vera")
    here = desk.signed_in(Role.VIEWER, who)
    for text in ("", "format = 1", SHIPPED):
        await here.send("/policies/candidate", policy=text)
    async with desk.house.db.begin() as session:
        (entry,) = (await operator_actions.listed(session, actor=who)).items
    version = parse(SHIPPED, "shipped").version
    assert (entry.action, entry.subject, entry.role) == ("policy_uploaded", version, "viewer")
