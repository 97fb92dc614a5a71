"""Encrypted payloads and key errors."""

import base64
import dataclasses
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

from core.errors import InvalidInput, RecoveryError
from observability.encryption import EncryptionCodec, encryption_codec

OLD = f"old:{base64.b64encode(b'o' * 32).decode()}"
NEW = f"new:{base64.b64encode(b'n' * 32).decode()}"


def codec_of(*keys: str) -> EncryptionCodec:
    """The codec of these keys."""
    codec = encryption_codec(map(SecretStr, keys))
    assert codec
    return codec


def converter_of(*keys: str) -> DataConverter:
    """A Temporal data converter with the codec of these keys."""
    return dataclasses.replace(DataConverter.default, payload_codec=codec_of(*keys))


async def test_value_is_encrypted_and_decrypted() -> None:
    value: dict[str, Any] = {"customer": "cus_1", "amount": 4900}
    (payload,) = await converter_of(NEW).encode([value])
    assert payload.metadata["encoding"] == b"binary/encrypted"
    assert payload.metadata["encryption-key-id"] == b"new"
    assert b"cus_1" not in payload.SerializeToString()
    assert await converter_of(NEW).decode([payload]) == [value]


async def test_equal_values_encrypt_differently() -> None:
    first, second = await converter_of(NEW).encode(["x", "x"])
    assert first.data != second.data


async def test_keys_rotate() -> None:
    """The new key is added behind the old one everywhere, then before it, then the old one is removed."""
    written_before = await converter_of(OLD).encode(["before"])
    assert await converter_of(OLD, NEW).decode(written_before) == ["before"]
    assert await converter_of(NEW, OLD).decode(written_before) == ["before"]
    assert (await converter_of(NEW, OLD).encode(["x"]))[0].metadata["encryption-key-id"] == b"new"
    with pytest.raises(RecoveryError, match="'old', which PAYLOAD_ENCRYPTION_KEYS lacks"):
        await converter_of(NEW).decode(written_before)


async def test_unencrypted_payloads_are_still_read() -> None:
    plain = await DataConverter.default.encode(["x"])
    assert await converter_of(NEW).decode(plain) == ["x"]


@pytest.mark.parametrize("change", ["data", "key id", "short", "empty"])
async def test_altered_payload_is_detected(change: str) -> None:
    (payload,) = await codec_of(NEW, OLD).encode([Payload(data=b"x")])
    altered = {
        "data": payload.data[:-1] + bytes([payload.data[-1] ^ 1]),
        "short": payload.data[:20],
        "empty": b"",
    }.get(change, payload.data)
    key_id = b"old" if change == "key id" else b"new"
    metadata = {"encoding": b"binary/encrypted", "encryption-key-id": key_id}
    with pytest.raises(RecoveryError, match="was altered"):
        await codec_of(NEW, OLD).decode([Payload(metadata=metadata, data=altered)])


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (("nonsense",), "entry 1 must be id:base64"),
        ((NEW, ":abc"), "entry 2 must be id:base64"),
        (("k:!!!",), "'k' is not base64"),
        (("k:c2hvcnQ=",), "5 bytes instead of 32"),
        ((NEW, NEW), "'new' is given twice"),
    ],
)
def test_a_wrong_key_is_named_and_not_shown(keys: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as excinfo:
        encryption_codec(map(SecretStr, keys))
    assert "c2hvcnQ" not in str(excinfo.value)
    assert NEW.partition(":")[2] not in str(excinfo.value)


def test_without_keys_there_is_no_codec() -> None:
    assert encryption_codec(()) is None
