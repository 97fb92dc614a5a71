"""How errors are written into Temporal's history: without card numbers, addresses and secrets in their texts.

An unexpected error may quote what it stumbled over; a history is not erased before its retention ends.
"""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter

from core.redaction.text import redact_text
from core.redaction.trees import redact_tree


class RedactingFailureConverter(DefaultFailureConverter):
    """Temporal's own converter, with messages and stack traces redacted."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Called by the SDK, once for an error and once for each of its causes."""
        super().to_failure(exception, payload_converter, failure)
        failure.message = redact_text(failure.message)
        failure.stack_trace = redact_text(failure.stack_trace)
        if failure.HasField("encoded_attributes"):
            (texts,) = payload_converter.from_payloads([failure.encoded_attributes])
            (payload,) = payload_converter.to_payloads([redact_tree(texts)])
            failure.encoded_attributes.CopyFrom(payload)


class EncodedFailureConverter(RedactingFailureConverter):
    """As the first, with messages and stack traces among what a codec encrypts."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)
