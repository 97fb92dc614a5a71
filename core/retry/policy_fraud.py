"""The `[fraud]` table of a policy file as the rules it amounts to."""

from core.errors import InvalidPolicy
from core.fraud.rules import SCORES, FraudRules
from core.fraud.table import FraudTable
from core.retry.duration import seconds
from core.retry.policy_schema import PolicyText

LONGEST_WINDOW = 90 * 86_400
"""Further back nothing is counted: the query has to stay quick."""


def fraud_rules(file: PolicyText, table: FraudTable) -> FraudRules:
    """The rules of this table. Raises InvalidPolicy naming key and line."""
    if table.review_at > table.block_at:
        raise file.error(("fraud", "review_at"), f"{table.review_at} is above block_at, which is {table.block_at}")
    return FraudRules(
        **table.model_dump(exclude={"window", "burst_window", "scores"}),
        window_seconds=_window(file, "window", table.window),
        burst_window_seconds=_window(file, "burst_window", table.burst_window),
        scores={**SCORES, **table.scores},
    )


def _window(file: PolicyText, key: str, text: str) -> int:
    try:
        length = seconds(text)
    except InvalidPolicy as error:
        raise file.error(("fraud", key), str(error)) from error
    if length > LONGEST_WINDOW:
        raise file.error(("fraud", key), f"{text} is longer than 90d")
    return length
