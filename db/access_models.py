"""The tables of who may do what, and of what people did, for queries. See `db.models` for the others."""

from typing import Final

from sqlalchemy import ARRAY, Column, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from db.models import METADATA, MOMENT

api_key: Final = Table(
    "api_key",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT),
    Column("last_used_at", MOMENT),
    Column("revoked_at", MOMENT),
)

approval: Final = Table(
    "approval",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("recovery_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("decision", Text),
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    Column("ended_by", Text),
    Column("outcome", Text),
    Column("request_id", Text),
)

operator_action: Final = Table(
    "operator_action",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("detail", JSONB, nullable=False),
    Column("name_hash", LargeBinary),
    Column("address_hash", LargeBinary),
)

admin_session: Final = Table(
    "admin_session",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("how", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("last_seen_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    Column("ended_by", Text),
)
