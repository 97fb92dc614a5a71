"""Policies: the active one in words, a candidate compared with it, experiments and the shadow policy."""

from datetime import timedelta
from difflib import unified_diff
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response, UploadFile

from api.admin import policy_description
from api.admin.forms import GenuineForm
from api.admin.pages import show_page
from api.admin.sessions import Viewer
from api.deps import Parts, PartsDep, record_audit_entry
from api.simulations import LONGEST_TEXT, parse_usable_policy, read_active_policy
from api.summary import load_arm_reports
from catalog import PolicyFile
from core.base import Value
from core.errors import CommandRefused, InvalidInput
from db.queries import shadow
from db.repositories.operator_actions import AuditAction

router: Final = APIRouter()
MOST_COMPARED: Final = 1_000_000
"""Pairs of lines that are compared at most: 1,000 lines in each file, or more in one of them."""
COMPARISON_SPAN: Final = timedelta(days=90)
"""Period of the experiments and shadow plans on the page."""


class CandidateCheck(Value):
    """A candidate policy with its problem, or its version and its changes."""

    text: str
    problem: str | None = None
    version: str = ""
    changes: tuple[str, ...] = ()
    """Lines of a unified diff from the active file; empty if both are the same."""


@router.get("/policies")
async def show_policies_page(request: Request, parts: PartsDep, _: Viewer) -> Response:
    """The active policy, its experiments and the shadow policy. Raises InvalidPolicy, StoreUnavailable."""
    text = read_active_policy(parts)
    file = PolicyFile(parts.settings.policy_file)
    policy = file.current_policy()
    now = parts.clock()
    async with parts.database.begin() as session:
        plans = await shadow.compare_plans(session, now - COMPARISON_SPAN, now)
        arms = await load_arm_reports(session, now - COMPARISON_SPAN, now)
    return show_page(
        request,
        "policies.html",
        policy=policy,
        problem=file.problem,
        text=text,
        description=policy_description.describe_policy(policy),
        arms=arms,
        plans=plans,
        shadow_file=parts.settings.shadow_policy_file,
        days=COMPARISON_SPAN.days,
    )


@router.get("/policies/candidate")
async def show_candidate_page(request: Request, _: Viewer) -> Response:
    """The form for pasting or uploading a candidate."""
    return show_page(request, "candidate.html", checked=None)


@router.post("/policies/candidate", dependencies=[GenuineForm])
async def check_candidate_form(
    request: Request,
    parts: PartsDep,
    person: Viewer,
    policy: Annotated[str, Form(max_length=LONGEST_TEXT)] = "",
    file: UploadFile | None = None,
) -> Response:
    """Checks a candidate and shows what it would change; 422 if it can't be used. A valid one is recorded."""
    found = await parts.parsers.run(check_candidate, parts, await read_policy_form(policy, file))
    if not found.problem:
        await record_audit_entry(parts, person.name, AuditAction.POLICY_UPLOADED, found.version, person.role)
    return show_page(request, "candidate.html", 422 if found.problem else 200, checked=found)


async def read_policy_form(text: str, file: UploadFile | None) -> str:
    """The text of a form, or of the file that was chosen instead. Raises InvalidInput for a file that can't be read."""
    if file is None or not file.filename:
        return text.replace("\r\n", "\n")
    read = await file.read(LONGEST_TEXT + 1)
    if len(read) > LONGEST_TEXT:
        raise InvalidInput("The file is larger than 300 kB.")
    try:
        return read.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput("The file is not text in UTF-8.") from None


def check_candidate(parts: Parts, text: str) -> CandidateCheck:
    """The candidate compared with the active policy. Raises InvalidPolicy if the active one can't be read."""
    if not text.strip():
        return CandidateCheck(text=text, problem="There is nothing in it: paste a policy or choose a file.")
    try:
        policy = parse_usable_policy("candidate", text)
    except CommandRefused as refusal:
        return CandidateCheck(text=text, problem=str(refusal))
    return CandidateCheck(text=text, version=policy.version, changes=list_changes(read_active_policy(parts), text))


def list_changes(active: str, candidate: str) -> tuple[str, ...]:
    """The lines of a unified diff; one sentence in their place for long files, whose diff takes quadratic time."""
    before, after = active.splitlines(), candidate.splitlines()
    if before != after and len(before) * len(after) > MOST_COMPARED:
        return (f"The files have {len(before):,} and {len(after):,} lines: too many to be compared line by line.",)
    return tuple(unified_diff(before, after, "active", "candidate", lineterm="", n=2))
