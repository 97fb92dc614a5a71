"""Errors of the embedded stack."""

from core.errors import RecoveryError


class DevstackError(RecoveryError):
    """A part of the embedded stack cannot run; the text is one line that says what to do."""


class StackInterrupted(DevstackError):
    """A signal asked the stack to stop while a part was still starting."""
