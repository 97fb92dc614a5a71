"""The tables for queries. `db.migrations` creates them; a test compares the two."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB

METADATA: Final = MetaData()
MOMENT: Final = DateTime(timezone=True)

event_log: Final = Table(
    "event_log",
    METADATA,
    Column("recovery_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("occurred_at", MOMENT, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    Column("provider", Text, nullable=False),
    Column("invoice_id", Text, nullable=False),
    Column("customer_id", Text),
    Column("attempt", Integer),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("opened_on", Date, nullable=False),
)

recovery: Final = Table(
    "recovery",
    METADATA,
    Column("recovery_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("invoice_id", Text, nullable=False),
    Column("customer_id", Text),
    Column("subscription_id", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("category", Text),
    Column("cause", Text),
    Column("segment", Text),
    Column("strategy", Text),
    Column("policy_version", Text),
    Column("attempt", Integer, nullable=False),
    Column("attempts_used", Integer, nullable=False),
    Column("attempts_allowed", Integer),
    Column("next_attempt_at", MOMENT),
    Column("until", MOMENT),
    Column("due_at", MOMENT),
    Column("charge_ids", ARRAY(Text), nullable=False),
    Column("opened_at", MOMENT, nullable=False),
    Column("closed_at", MOMENT),
    Column("close_reason", Text),
    Column("sequence", Integer, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("updated_at", MOMENT, nullable=False),
    Column("checked_at", MOMENT),
    Column("experiment", Text),
    Column("arm", Text),
    Column("paid", BigInteger, nullable=False, server_default="0"),
    Column("paid_late", BigInteger, nullable=False, server_default="0"),
    Column("returned", BigInteger, nullable=False, server_default="0"),
)

webhook_inbox: Final = Table(
    "webhook_inbox",
    METADATA,
    Column("provider", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    Column("recovery_id", Text),
    Column("customer_id", Text),
    Column("invoice_id", Text),
    Column("event", JSONB(none_as_null=True)),
    Column("delivered_at", MOMENT),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", MOMENT, nullable=False),
    Column("last_error", Text),
    Column("erased_at", MOMENT),
)

network_attempt: Final = Table(
    "network_attempt",
    METADATA,
    Column("recovery_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("fingerprint", Text),
    Column("network", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("attempt", Integer),
    Column("trigger", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("network_code", Text),
    Column("network_advice", Text),
    Column("fee_amount", BigInteger),
    Column("fee_currency", Text),
)

operator_signal: Final = Table(
    "operator_signal",
    METADATA,
    Column("recovery_id", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("invoice_id", Text, nullable=False),
    Column("command", JSONB, nullable=False),
    Column("stored_at", MOMENT, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", MOMENT, nullable=False),
    Column("delivered_at", MOMENT),
    Column("problem", Text),
)

simulation: Final = Table(
    "simulation",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("started_at", MOMENT),
    Column("ended_at", MOMENT),
    Column("source", Text, nullable=False),
    Column("recoveries", BigInteger),
    Column("seed", BigInteger, nullable=False),
    Column("policy", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("assumptions", Text),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("problem", Text),
    Column("result", Text),
    Column("report", Text),
)

contact: Final = Table(
    "contact",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("phone", Text),
    Column("language", Text),
    Column("country", Text),
    Column("time_zone", Text),
    Column("links", JSONB, nullable=False),
    Column("read_at", MOMENT, nullable=False),
    Column("erased_at", MOMENT),
    Column("invoice_numbers", JSONB, nullable=False, server_default="{}"),
)

customer_identity: Final = Table(
    "customer_identity",
    METADATA,
    Column("customer_id", Text, primary_key=True),
    Column("original", Text),
    Column("seen_at", MOMENT, nullable=False),
    Column("erased_at", MOMENT),
)

message: Final = Table(
    "message",
    METADATA,
    Column("recovery_id", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("language", Text),
    Column("tries", Integer, nullable=False),
    Column("claimed_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    Column("reason", Text),
)

suppression: Final = Table(
    "suppression",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

signing_key: Final = Table(
    "signing_key",
    METADATA,
    Column("id", SmallInteger, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

notice: Final = Table(
    "notice",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("audience", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("recovery_id", Text),
    Column("data", JSONB, nullable=False),
    Column("occurred_at", MOMENT, nullable=False),
    Column("handed_at", MOMENT),
    Column("outcome", Text),
)

recovery_figure: Final = Table(
    "recovery_figure",
    METADATA,
    Column("basis", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("currency", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("name", Text),
    Column("part", Text),
    *(Column(name, Numeric, nullable=False) for name in ("at_risk", "recovered", "lost")),
    *(Column(f"{name}_count", BigInteger, nullable=False) for name in ("open", "recovered", "lost")),
    Column("seconds", Numeric, nullable=False),
    *(Column(name, Numeric, nullable=False, server_default="0") for name in ("paid_late", "returned")),
    Column("span", Text, nullable=False, server_default="day"),
    Column("total_count", BigInteger, nullable=False, server_default="0"),
)

recovery_change: Final = Table(
    "recovery_change",
    METADATA,
    Column("weight", SmallInteger, nullable=False),
    Column("opened_at", MOMENT, nullable=False),
    Column("closed_at", MOMENT),
    *(Column(name, BigInteger, nullable=False) for name in ("amount", "paid", "paid_late", "returned")),
    *(Column(name, Text, nullable=False) for name in ("currency", "state", "provider")),
    Column("attempt", Integer, nullable=False),
    *(Column(name, Text) for name in ("cause", "segment", "strategy", "close_reason", "experiment", "arm")),
)

message_figure: Final = Table(
    "message_figure",
    METADATA,
    Column("day", Date, nullable=False),
    Column("sent", BigInteger, nullable=False),
)
