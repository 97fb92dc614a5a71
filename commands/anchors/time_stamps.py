"""Time stamps by RFC 3161: an authority signs the hash of an anchor together with its own time.

A stamp can be kept by anybody, since only the authority can make one. Whoever rewrites log and anchors later gets
stamps with a later time.
"""

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
from cryptography import x509

from commands.anchors.places import EXTRA, AnchorPlaceFailed
from core.errors import InvalidInput
from settings import Settings

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse, VerifierBuilder

TIMEOUT_SECONDS: Final = 20.0


class InvalidStamp(Exception):
    """A stamp that proves nothing; the text says why."""


class TimeStamps:
    """Asks for stamps and verifies them against the configured certificates."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self._url = url
        self._certificates = _load_certificates(ca_file)

    @property
    def are_made(self) -> bool:
        """Whether new anchors are stamped; without an address stamps are only verified."""
        return bool(self._url)

    def request_stamp(self, text: str) -> str:
        """A stamp of this text, as base64. Raises AnchorPlaceFailed if there is none, or one that can't be verified."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder

        content = text.encode()
        request = TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build()
        try:
            answer = _decode(self._post(request.as_bytes()))
            self._verify(answer, content, VerifierBuilder.from_request(request))
        except InvalidStamp as error:
            raise AnchorPlaceFailed(f"{self._url} gave no usable time stamp: {error}") from None
        return base64.b64encode(answer.as_bytes()).decode()

    def read_time(self, stamp: str, text: str) -> datetime:
        """The time (UTC) at which the authority says to have seen this text. Raises InvalidStamp."""
        from rfc3161_client import VerifierBuilder

        try:
            answer = _decode(base64.b64decode(stamp, validate=True))
        except binascii.Error:
            raise InvalidStamp("it is no base64") from None
        self._verify(answer, text.encode(), VerifierBuilder())
        return answer.tst_info.gen_time

    def _post(self, request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        try:
            answer = httpx.post(self._url, content=request, headers=headers, timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AnchorPlaceFailed(f"{self._url} can't be reached: {error or type(error).__name__}") from None
        if answer.status_code != httpx.codes.OK:
            raise AnchorPlaceFailed(f"{self._url} answered {answer.status_code}")
        return answer.content

    def _verify(self, answer: "TimeStampResponse", content: bytes, builder: "VerifierBuilder") -> None:
        """Signature, certificate chain at the stamp's time, purpose of the certificate, hash, and a request's nonce."""
        from rfc3161_client import VerificationError

        for certificate in self._certificates:
            is_root = certificate.issuer == certificate.subject
            add = builder.add_root_certificate if is_root else builder.add_intermediate_certificate
            builder = add(certificate)
        try:
            builder.build().verify_message(answer, content)
        except (VerificationError, ValueError) as error:
            raise InvalidStamp(f"{error}{''.join(f' ({word})' for word in answer.status_string)}") from None


def configured_stamps(settings: Settings) -> TimeStamps | None:
    """What TIMESTAMP_URL and TIMESTAMP_CA_FILE say; None without the latter. Raises InvalidInput."""
    if settings.timestamp_ca_file is None:
        return None
    try:
        import rfc3161_client  # noqa: F401
    except ImportError:
        raise InvalidInput(f"time stamps need rfc3161-client: {EXTRA}") from None
    return TimeStamps(settings.timestamp_url, settings.timestamp_ca_file)


def _decode(answer: bytes) -> "TimeStampResponse":
    from rfc3161_client import decode_timestamp_response

    try:
        return decode_timestamp_response(answer)
    except ValueError:
        raise InvalidStamp("the answer is no time stamp") from None


def _load_certificates(file: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, each once. Raises InvalidInput if one is missing that signs itself."""
    try:
        found = list(dict.fromkeys(x509.load_pem_x509_certificates(file.read_bytes())))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"TIMESTAMP_CA_FILE {file} can't be read: {error}") from None
    if not any(one.issuer == one.subject for one in found):
        raise InvalidInput(f"TIMESTAMP_CA_FILE {file} holds no root certificate")
    return found
