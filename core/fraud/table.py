"""The shape of the `[fraud]` table of a policy file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.fraud.rules import FraudRules, SignalKind

Score = Annotated[int, Field(strict=True, ge=0, le=100)]
Threshold = Annotated[int, Field(strict=True, ge=1, le=100)]
Count = Annotated[int, Field(strict=True, ge=2, le=1000)]
SHIPPED_FRAUD_RULES = FraudRules()


class FraudTable(BaseModel):
    """`[fraud]`; what is left out is as shipped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    review_at: Threshold = SHIPPED_FRAUD_RULES.review_at
    block_at: Threshold = SHIPPED_FRAUD_RULES.block_at
    window: str = "7d"
    burst_window: str = "1h"
    cards_of_customer: Count = SHIPPED_FRAUD_RULES.cards_of_customer
    customers_on_card: Count = SHIPPED_FRAUD_RULES.customers_on_card
    failures_in_burst: Count = SHIPPED_FRAUD_RULES.failures_in_burst
    provider_score_min: Score | None = None
    scorer: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,60}$")] | None = None
    scorer_timeout_ms: Annotated[int, Field(strict=True, ge=10, le=1000)] = SHIPPED_FRAUD_RULES.scorer_timeout_ms
    scores: dict[SignalKind, Score] = {}
