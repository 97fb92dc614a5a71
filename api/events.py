"""The JSON Schemas of event log rows, for programs that read them."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Scope, require_scope
from api.problems import problem_responses
from core.events.schema import event_schemas

router: Final = APIRouter(
    prefix="/v1/events",
    tags=["events"],
    dependencies=[Depends(require_scope(Scope.READ))],
    responses=problem_responses(401, 403, 429, 503),
)
Schemas = Annotated[dict[str, dict[str, Any]], Field(description="JSON Schema (draft 2020-12) by event type")]


@router.get("/schema", summary="JSON Schema of `data` per event type")
async def get_event_schema() -> Schemas:
    """Every event type with the schema of its `data`. A release may add keys; no key changes its meaning."""
    return event_schemas()
