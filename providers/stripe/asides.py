"""Reads that nothing depends on."""

import asyncio

from core.errors import ProviderUnavailable
from providers.fields import Fields
from providers.stripe.api import Answer, StripeApi


async def read_optional(api: StripeApi, where: str, **params: object) -> Fields | None:
    """What was read; None, whatever went wrong with it."""
    try:
        async with asyncio.timeout(api.optional_seconds):
            answer: Answer = await api.get(where, **params)
    except (ProviderUnavailable, TimeoutError):
        return None
    return Fields(answer.body or {}, lenient=True) if answer.is_success else None
