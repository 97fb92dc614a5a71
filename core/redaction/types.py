"""Types of fields for text from outside: what a model declares with them is redacted before anybody sees it.

An id, a time or an amount is declared as what it is and never changed: one 16-digit number in ten passes the Luhn
check, and a changed reference would name another invoice.
"""

from typing import Annotated, Final

from pydantic import AfterValidator

from core.redaction.text import redact_name, redact_text

LONGEST_TEXT: Final = 20_000
"""Characters of a text that are kept; no sentence of a person or a provider is so long."""


def _clean_text(text: str) -> str:
    return redact_text(text[:LONGEST_TEXT])


FreeText = Annotated[str, AfterValidator(_clean_text)]
"""A code or a sentence of a provider or a person, without card numbers, e-mail addresses and secrets."""
PersonName = Annotated[str, AfterValidator(redact_name)]
"""The name of somebody who works here; it may be an e-mail address."""
