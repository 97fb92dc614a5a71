"""Temporal payloads encrypted at rest: AES-256-GCM, with the key's id beside the text so that keys can be rotated.

Inputs, results, signals, queries and memos are covered; error messages and stack traces only together with the failure
converter that `workflows.client` adds; workflow ids and search attributes never.
"""

import base64
import binascii
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from core.errors import InvalidInput, RecoveryError

ENCODING: Final = b"binary/encrypted"
KEY_ID: Final = "encryption-key-id"
KEY_BYTES, NONCE_BYTES = 32, 12


class EncryptionCodec(PayloadCodec):
    """Encrypts payloads with the first key and decrypts with any key; payloads without encryption pass unchanged."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` by id, the encrypting one first; at least one, each of 32 bytes."""
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload, with its metadata, inside an encrypted one."""
        return [self._encrypt_payload(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each payload decrypted. Raises RecoveryError for a key that isn't configured and for altered data."""
        return [self._decrypt_payload(payload) for payload in payloads]

    def _encrypt_payload(self, payload: Payload) -> Payload:
        # The key's id is authenticated as associated data: nobody can make a payload look as if another key made it.
        nonce, key_id = os.urandom(NONCE_BYTES), self._current.encode()
        text = self._ciphers[self._current].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key_id}, data=nonce + text)

    def _decrypt_payload(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise RecoveryError(f"A payload is encrypted with the key {key_id!r}, which PAYLOAD_ENCRYPTION_KEYS lacks.")
        nonce, text = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, text, key_id.encode()))
        except (InvalidTag, ValueError) as wrong:
            raise RecoveryError(f"A payload can't be decrypted with the key {key_id!r}: it was altered.") from wrong


def encryption_codec(keys: Iterable[SecretStr]) -> EncryptionCodec | None:
    """The codec of PAYLOAD_ENCRYPTION_KEYS (`id:base64`, the first encrypts); None without keys.

    Raises InvalidInput that names the key by its position or id and never shows it.
    """
    parsed: dict[str, bytes] = {}
    for position, secret in enumerate(keys, 1):
        key_id, key = _parse_key(position, secret.get_secret_value())
        if key_id in parsed:
            raise InvalidInput(f"PAYLOAD_ENCRYPTION_KEYS: the id {key_id!r} is given twice.")
        parsed[key_id] = key
    return EncryptionCodec(parsed) if parsed else None


def _parse_key(position: int, text: str) -> tuple[str, bytes]:
    key_id, colon, encoded = text.partition(":")
    if not (key_id and colon):
        raise InvalidInput(f"PAYLOAD_ENCRYPTION_KEYS: entry {position} must be id:base64.")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise InvalidInput(f"PAYLOAD_ENCRYPTION_KEYS: the key {key_id!r} is not base64.") from wrong
    if len(key) != KEY_BYTES:
        raise InvalidInput(f"PAYLOAD_ENCRYPTION_KEYS: the key {key_id!r} has {len(key)} bytes instead of {KEY_BYTES}.")
    return key_id, key
