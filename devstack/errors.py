"""What can go wrong while the embedded stack starts, runs or ends."""

from core.errors import RecoveryError


class DevstackError(RecoveryError):
    """A part of the embedded stack cannot run; the text is one line that says what to do."""


class StackInterrupted(DevstackError):
    """Somebody asked for the end while something was still starting."""
