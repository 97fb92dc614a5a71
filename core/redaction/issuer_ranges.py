"""Which numbers can be card numbers: the first digits that the card schemes' issuers use, and the lengths.

Sources: S109 and S110 in docs/sources.md. A range is kept as wide as either source has it, since a number that is
taken for a card's costs a word of a sentence, and one that is overlooked can't be taken back.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX_DIGITS: Final = 4
SHORTEST: Final = 13
LONGEST: Final = 19
"""Digits of a card number (ISO/IEC 7812-1); shorter ones are no longer issued."""


class IssuerRange(NamedTuple):
    """First digits of a scheme's cards, from `first` to `last` (four digits each), and how long the numbers are."""

    scheme: str
    first: int
    last: int
    lengths: tuple[int, ...]


ISSUER_RANGES: Final = (
    IssuerRange("visa", 4000, 4999, (13, 16, 18, 19)),
    IssuerRange("mastercard", 5100, 5599, (16,)),
    IssuerRange("mastercard", 2221, 2720, (16,)),
    IssuerRange("amex", 3400, 3499, (15,)),
    IssuerRange("amex", 3700, 3799, (15,)),
    IssuerRange("diners", 3000, 3059, (14, 15, 16, 17, 18, 19)),
    IssuerRange("diners", 3095, 3095, (14, 15, 16, 17, 18, 19)),
    IssuerRange("diners", 3600, 3699, (14, 15, 16, 17, 18, 19)),
    IssuerRange("diners", 3800, 3999, (14, 15, 16, 17, 18, 19)),
    IssuerRange("discover", 6011, 6011, (16, 17, 18, 19)),
    IssuerRange("discover", 6440, 6599, (16, 17, 18, 19)),
    IssuerRange("jcb", 3528, 3589, (16, 17, 18, 19)),
    IssuerRange("jcb", 1800, 1800, (15, 16)),
    IssuerRange("jcb", 2131, 2131, (15, 16)),
    IssuerRange("unionpay", 6200, 6299, (14, 15, 16, 17, 18, 19)),
    IssuerRange("unionpay", 8100, 8171, (14, 15, 16, 17, 18, 19)),
    IssuerRange("maestro", 5000, 5099, (13, 14, 15, 16, 17, 18, 19)),
    IssuerRange("maestro", 5600, 6999, (13, 14, 15, 16, 17, 18, 19)),
    IssuerRange("mir", 2200, 2204, (16, 17, 18, 19)),
    IssuerRange("rupay", 8200, 8299, (16,)),
    IssuerRange("uzcard", 8600, 8600, (16,)),
    IssuerRange("humo", 9860, 9860, (16,)),
    IssuerRange("troy", 9792, 9792, (16,)),
)
"""Elo, Hipercard, Verve, Dankort, RuPay's 60 and 65 and other schemes lie within these."""


def _lengths_by_prefix() -> Mapping[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for issuer in ISSUER_RANGES:
        for prefix in range(issuer.first, issuer.last + 1):
            found[prefix] = tuple(sorted({*found.get(prefix, ()), *issuer.lengths}))
    return found


LENGTHS: Final = _lengths_by_prefix()
"""The lengths of card numbers by their first four digits; no entry where no scheme has such cards."""
