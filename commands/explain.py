"""`pri explain`: what a failure is and what would happen. Needs no settings and no database."""

import catalog
from core.classifier.classify import classify
from core.classifier.taxonomy import Classification
from core.errors import InvalidInput
from core.payments import Failure
from providers.base import installed


def explained(provider: str, failure: Failure) -> Classification:
    """The classification by the shipped tables. Raises InvalidInput for a provider that isn't installed."""
    providers = installed({})
    if provider not in providers:
        raise InvalidInput(f"There is no provider {provider!r}; installed: {', '.join(sorted(providers))}.")
    tables = catalog.tables({name: one.decline_codes for name, one in providers.items()})
    return classify(failure, tables, provider=provider)
