"""Errors in a history hold no card number, address or secret, encrypted or not, down to their last cause."""

from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from core.redaction.text import REDACTED
from observability.encryption import EncryptionCodec
from workflows.client import build_data_converter

SECRETS = ("ann@example.com", "4242 4242", "51HabcDEF")


def failing_error() -> Exception:
    """An error with a cause, each with something to hide."""
    try:
        try:
            raise ValueError("no 4242 4242 4242 4242 for ann@example.com")
        except ValueError as cause:
            raise ApplicationError("refused sk_live_51HabcDEF", "code", type="Refused") from cause
    except ApplicationError as error:
        return error


async def test_texts_of_an_error_and_of_its_causes_are_redacted() -> None:
    failure = Failure()
    await build_data_converter(None).encode_failure(failing_error(), failure)
    assert failure.message == f"refused {REDACTED}"
    assert failure.cause.message == f"no {REDACTED} for {REDACTED}"
    assert failure.application_failure_info.type == "Refused"
    assert not [secret for secret in SECRETS if secret in str(failure)]


async def test_encrypted_texts_are_redacted_too() -> None:
    converter, failure = build_data_converter(EncryptionCodec({"one": bytes(32)})), Failure()
    await converter.encode_failure(failing_error(), failure)
    assert failure.message == failure.cause.message == "Encoded failure"
    error = await converter.decode_failure(failure)
    assert str(error.__cause__).endswith(f"no {REDACTED} for {REDACTED}")
    assert str(error).endswith(f"refused {REDACTED}")
