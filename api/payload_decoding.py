"""Decodes Temporal's encrypted payloads for people and tools that may read them, by the Remote Codec protocol.

Source: github.com/temporalio/samples-go, codec-server/protocol.md: `POST …/decode` takes and answers `Payloads` in
protobuf's JSON, 400 says that they can't be decoded, `X-Namespace` names the namespace. There is no `…/encode`: a
reader needs none, and workflows take plain input.
"""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Header
from google.protobuf import json_format
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from temporalio.api.common.v1 import Payloads

from api.auth import Decoder
from api.deps import Parts, PartsDep
from api.problems import problem_responses
from core.errors import NotFound, RecoveryError
from db.repositories import operator_actions
from db.repositories.operator_actions import AuditAction, AuditEntry

AUDIT_EVERY: Final = timedelta(minutes=1)
"""A page of Temporal's web UI asks dozens of times: one audit entry a minute says as much."""
router: Final = APIRouter(prefix="/v1/codec", tags=["codec"])


Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]


class PayloadJson(BaseModel):
    """One payload in protobuf's JSON; all values are base64."""

    metadata: dict[str, Base64] = {}
    data: Base64 = ""


class PayloadsJson(BaseModel):
    """The payloads of one request, and of its answer in the same order."""

    payloads: list[PayloadJson] = Field(default=[], max_length=1000)


Namespace = Annotated[str, Header(alias="X-Namespace", description="Temporal's namespace, if the sender names it")]


@router.post(
    "/decode",
    summary="Decode payloads of Temporal",
    responses=problem_responses(400, 401, 403, 404, 408, 413, 422, 429, 503),
)
async def decode_payloads(
    parts: PartsDep, caller: Decoder, sent: PayloadsJson, namespace: Namespace = ""
) -> PayloadsJson:
    """The payloads decrypted with PAYLOAD_ENCRYPTION_KEYS, for Temporal's command line; plain ones are unchanged."""
    return await decode_for(parts, caller.name, sent, namespace)


async def decode_for(
    parts: Parts, actor: str, sent: PayloadsJson, namespace: str, role: str | None = None
) -> PayloadsJson:
    """The payloads decrypted, with an audit entry before the answer.

    Answers 400 for payloads that can't be decrypted, with the id of a missing key. Raises NotFound where nothing is
    encrypted or for another namespace, StoreUnavailable.
    """
    if parts.codec is None:
        raise NotFound("PAYLOAD_ENCRYPTION_KEYS is not set: nothing is encrypted here.")
    if namespace not in {"", parts.settings.temporal_namespace}:
        raise NotFound("This service keeps its recoveries in another namespace.")
    try:
        asked = json_format.ParseDict(sent.model_dump(), Payloads())
        found = Payloads(payloads=await parts.codec.decode(asked.payloads))
    except (json_format.ParseError, ValueError, RecoveryError) as wrong:
        raise HTTPException(400, str(wrong)[:300]) from wrong
    await _record_reading(parts, actor, role)
    return PayloadsJson.model_validate(json_format.MessageToDict(found))


async def _record_reading(parts: Parts, actor: str, role: str | None) -> None:
    now = parts.clock()
    done = AuditEntry(actor=actor, role=role, action=AuditAction.PAYLOADS_DECODED)
    async with parts.database.begin() as session:
        if not await operator_actions.has_entry(session, actor, done.action, now - AUDIT_EVERY):
            await operator_actions.record_entry(session, done, now)
