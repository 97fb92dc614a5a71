"""Everything this service raises on purpose.

RecoveryError
├── InvalidInput            input from outside doesn't have its documented form (HTTP 400 / 422)
│   ├── InvalidSignature    the sender of a webhook could not be verified
│   └── InvalidPolicy       the policy file is wrong; names file, key and problem
├── NotFound                there is nothing of that name (HTTP 404)
├── CommandRefused          the recovery can't do this now; `code` says why (HTTP 409, or 403 for who asks)
├── TooManyRequests         asked too often; `retry_after` says when to ask again (HTTP 429)
├── RunClosed               the recovery's workflow run has completed and accepts no more messages
├── EngineUnavailable       Temporal can't be reached, or answered too late
├── StoreUnavailable        PostgreSQL can't be reached (HTTP 503)
├── NotDelivered            a message certainly didn't go out; `permanent` if retrying is of no use
└── ProviderUnavailable     a read got no usable answer, or a write was certainly not executed: retry
    │                       (a charge that may have been executed is the result UNKNOWN, never this error)
    └── NotAllowed          the provider refuses the key (HTTP 401, 403): a person must change that

A decline is a result and never raised. Neither is a charge whose outcome nobody knows.
"""

from datetime import timedelta

from core.redaction.text import redact_text


class RecoveryError(Exception):
    """Root of all errors raised on purpose; its text is one sentence for a person, without secrets."""


class InvalidInput(RecoveryError):
    """Input from outside that doesn't have its documented form."""


class InvalidSignature(InvalidInput):
    """A webhook whose sender or age could not be verified."""


class InvalidPolicy(InvalidInput):
    """A policy file that can't be used; the text names file, line, key and problem."""


class NotFound(RecoveryError):
    """There is nothing of the given name."""


class CommandRefused(RecoveryError):
    """An operator command that is rejected; `code` is stable and part of the API, the text is for a person."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class TooManyRequests(RecoveryError):
    """Asked more often than is allowed; `retry_after` is the time until the next request is allowed."""

    def __init__(self, sentence: str, retry_after: timedelta) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class RunClosed(RecoveryError):
    """The workflow run of this recovery has completed; an event for it is late."""


class EngineUnavailable(RecoveryError):
    """Temporal can't be reached or didn't answer in time; whether it received the request is unknown."""


class StoreUnavailable(RecoveryError):
    """The database can't be reached. Nothing was written, unless the connection was lost during COMMIT."""


class NotDelivered(RecoveryError):
    """A message that certainly didn't reach its channel. `reason` is a short code; a plug-in's is redacted."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        self.reason = redact_text(reason)
        super().__init__(f"a message was not delivered: {self.reason}")
        self.permanent = permanent


class ProviderUnavailable(RecoveryError):
    """The provider gave no usable answer to a read, or certainly didn't execute a write.

    `retry_after` is the wait that the provider asked for, if any.
    """

    def __init__(self, sentence: str, retry_after: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class NotAllowed(ProviderUnavailable):
    """The provider refuses the API key, or the key lacks a permission; retrying is of no use until that is changed."""
