"""Everything this service raises on purpose.

RecoveryError
├── InvalidInput            what came from outside does not fit its shape (HTTP 400 / 422)
│   ├── InvalidSignature    the sender could not be verified
│   └── InvalidPolicy       the policy file is wrong; says file, key and why
├── NotFound                nothing is known under that name (HTTP 404)
├── Refused                 the recovery cannot do this now; `code` says why (HTTP 409, or 403 for who asks)
├── TooMany                 asked too often; `retry_after` says when again (HTTP 429)
├── RunClosed               the recovery's run has completed; it takes no more messages
├── EngineUnavailable       Temporal cannot be reached, or answered too late
├── StoreUnavailable        PostgreSQL cannot be reached (HTTP 503)
├── NotDelivered            a message surely did not go out; `permanent` where trying again is of no use
└── ProviderUnavailable     the provider could not be asked; nothing is known, try again
    └── NotAllowed          it refuses to answer with these rights (HTTP 401, 403): a person must mend that

A decline is a result and never raised.
"""

from datetime import timedelta


class RecoveryError(Exception):
    """Root of all errors raised on purpose; its text is one sentence for a person."""


class InvalidInput(RecoveryError):
    """Something from outside does not fit the shape it should have."""


class InvalidSignature(InvalidInput):
    """A webhook whose sender or age could not be verified."""


class InvalidPolicy(InvalidInput):
    """A policy file that cannot be used."""


class NotFound(RecoveryError):
    """No such thing."""


class CommandRefused(RecoveryError):
    """An operator command that the recovery cannot follow now."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class TooManyRequests(RecoveryError):
    """Asked more often than is allowed; `retry_after` is the wait until once more is."""

    def __init__(self, sentence: str, retry_after: timedelta) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class RunClosed(RecoveryError):
    """The workflow of this recovery has completed: what comes now is late."""


class EngineUnavailable(RecoveryError):
    """Temporal cannot be reached, or did not answer in time; nothing is known."""


class StoreUnavailable(RecoveryError):
    """The database cannot be reached; nothing was written."""


class NotDelivered(RecoveryError):
    """A message that surely did not reach its channel. `reason` is a short code without personal data."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(f"a message was not delivered: {reason}")
        self.reason = reason
        self.permanent = permanent


class ProviderUnavailable(RecoveryError):
    """The provider gave no usable answer to a read, or surely did not execute a write.

    `retry_after` is the wait the provider asked for, if it did.
    """

    def __init__(self, sentence: str, retry_after: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class NotAllowed(ProviderUnavailable):
    """The provider refuses this key, or the key lacks a permission: asking again is of no use before that is mended."""
