"""Which numbers can be card numbers: the first digits that the card schemes' issuers use, and the lengths.

A range and its lengths are as wide as either source has them: a number that is taken for a card's costs a word of a
sentence, and one that is overlooked can't be taken back.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX_DIGITS: Final = 4
SHORTEST: Final = 13
LONGEST: Final = 19
"""Digits of a card number (ISO/IEC 7812-1); shorter ones are no longer issued."""


_LIST: Final = "ldapwiki.com, Issuer Identification Number (after ISO/IEC 7812), as of 2024-11-29"
_CODE: Final = "github.com/braintree/credit-card-type, src/lib/card-types.ts at commit 0bac61c"
_BOTH: Final = f"{_LIST}; {_CODE}"


class IssuerRange(NamedTuple):
    """First digits of a scheme's cards, from `first` to `last` (four digits each), and how long the numbers are."""

    scheme: str
    first: int
    last: int
    lengths: tuple[int, ...]
    source: str


ISSUER_RANGES: Final = (
    IssuerRange("visa", 4000, 4999, (13, 16, 18, 19), _BOTH),
    IssuerRange("mastercard", 5100, 5599, (16,), _BOTH),
    IssuerRange("mastercard", 2221, 2720, (16,), _BOTH),
    IssuerRange("amex", 3400, 3499, (15,), _BOTH),
    IssuerRange("amex", 3700, 3799, (15,), _BOTH),
    IssuerRange("diners", 3000, 3059, (14, 16, 19), _BOTH),
    IssuerRange("diners", 3090, 3099, (14,), _LIST),
    IssuerRange("diners", 3600, 3699, (14, 16, 19), _BOTH),
    IssuerRange("diners", 3800, 3999, (14, 16, 19), _BOTH),
    IssuerRange("discover", 6011, 6011, (16, 19), _BOTH),
    IssuerRange("discover", 6440, 6599, (16, 19), _BOTH),
    IssuerRange("jcb", 3528, 3589, (16, 17, 18, 19), _BOTH),
    IssuerRange("jcb", 1800, 1800, (16, 17, 18, 19), _CODE),
    IssuerRange("jcb", 2131, 2131, (16, 17, 18, 19), _CODE),
    IssuerRange("unionpay", 6200, 6299, (14, 15, 16, 17, 18, 19), _BOTH),
    IssuerRange("unionpay", 8100, 8171, (14, 15, 16, 17, 18, 19), _CODE),
    IssuerRange("maestro", 5000, 5099, (13, 14, 15, 16, 17, 18, 19), _BOTH),
    IssuerRange("maestro", 5600, 6999, (13, 14, 15, 16, 17, 18, 19), _BOTH),
    IssuerRange("mir", 2200, 2204, (16, 17, 18, 19), _CODE),
)
"""Dankort, Elo, Hipercard, InterPayment and Verve lie within these. Left out are UATP (every number with a 1 in front)
and numbers of 12 digits."""


def _lengths_by_prefix() -> Mapping[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for issuer in ISSUER_RANGES:
        for prefix in range(issuer.first, issuer.last + 1):
            found[prefix] = tuple(sorted({*found.get(prefix, ()), *issuer.lengths}))
    return found


LENGTHS: Final = _lengths_by_prefix()
"""The lengths of card numbers by their first four digits; no entry where no scheme has such cards."""
