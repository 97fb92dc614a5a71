"""The `[fraud]` table of a policy file as the rules it amounts to."""

from core.errors import InvalidPolicy
from core.fraud.rules import SHIPPED_SCORES, FraudRules
from core.fraud.table import FraudTable
from core.retry.duration import parse_duration
from core.retry.policy_schema import PolicyText

LONGEST_WINDOW = 90 * 86_400
"""Further back nothing is counted: the query has to stay quick."""


def parse_fraud_rules(file: PolicyText, table: FraudTable) -> FraudRules:
    """The rules of this table. Raises InvalidPolicy naming key and line."""
    if table.review_at > table.block_at:
        raise file.error_at(("fraud", "review_at"), f"{table.review_at} is above block_at, which is {table.block_at}")
    return FraudRules(
        **table.model_dump(exclude={"window", "burst_window", "scores"}),
        window_seconds=_parse_window(file, "window", table.window),
        burst_window_seconds=_parse_window(file, "burst_window", table.burst_window),
        scores={**SHIPPED_SCORES, **table.scores},
    )


def _parse_window(file: PolicyText, key: str, text: str) -> int:
    try:
        length = parse_duration(text)
    except InvalidPolicy as error:
        raise file.error_at(("fraud", key), str(error)) from error
    if length > LONGEST_WINDOW:
        raise file.error_at(("fraud", key), f"{text} is longer than 90d")
    return length
