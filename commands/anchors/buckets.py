"""Anchors as objects of an S3-compatible bucket, each locked until its retention is over.

One object per anchor; its content is the line of an anchor file, so that all objects in order of their keys are that
file. In a bucket with object lock nobody deletes a version in compliance mode before its time, not even the owner. What
can be done is to put a newer version or a delete marker on top: so the first version of each key counts, and any other
one is a fault.
"""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from commands.anchors.places import EXTRA, AnchorPlaceFailed, KeptLine
from core.errors import InvalidInput
from core.formatting import format_moment
from settings import Settings, read_environment

COMPLIANCE: Final = "COMPLIANCE"
"""The mode that the bucket's owner can't end either."""
READERS: Final = 16
"""Objects that are read at once: a year of hours is 8,760."""


class AnchorBucket:
    """The anchors below `prefix` of a bucket. `client` is boto3's for S3."""

    def __init__(self, client: Any, bucket: str, prefix: str, retention: timedelta) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix
        self._retention = retention

    def read_lines(self) -> list[KeptLine]:
        """All lines by key, with the bucket's own time of each and what is wrong with its object."""
        with _translated_errors(self._bucket), ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self._read_object, self._first_versions()))

    def last_line(self) -> str | None:
        """The newest line; None if there is none."""
        with _translated_errors(self._bucket):
            versions = self._first_versions()
            return self._read_object(versions[-1]).line if versions else None

    def append(self, line: str, until: datetime) -> None:
        """Puts the line as a locked object. Raises AnchorPlaceFailed if the bucket doesn't lock it."""
        body, key = f"{line}\n".encode(), f"{self._prefix}{_object_name(until)}"
        locked_until = datetime.now(UTC) + self._retention
        place = {"Bucket": self._bucket, "Key": key}
        with _translated_errors(self._bucket):
            written = self._client.put_object(
                **place,
                Body=body,
                # A locked object needs a checksum; this is the one that every S3-compatible server knows.
                ContentMD5=base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
                ContentType="application/jsonl",
                # Two runs at once would otherwise both write, the second one on top.
                IfNoneMatch="*",
                ObjectLockMode=COMPLIANCE,
                ObjectLockRetainUntilDate=locked_until,
            )
            # Asked for, since a server without object lock may ignore what it doesn't know.
            found = self._client.head_object(**place, VersionId=written.get("VersionId", "null"))
        if fault := _lock_fault(found, datetime.now(UTC)):
            raise AnchorPlaceFailed(f"s3://{self._bucket}/{key} was written, but {fault}")

    def _first_versions(self) -> list[dict[str, Any]]:
        """The first version of each key, in order of the keys, with `faults` about the others."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._prefix)
        versions: dict[str, list[dict[str, Any]]] = {}
        for page in pages:
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                versions.setdefault(entry["Key"], []).append(entry)
        return [_first_version(versions[key]) for key in sorted(versions)]

    def _read_object(self, version: dict[str, Any]) -> KeptLine:
        found = self._client.get_object(Bucket=self._bucket, Key=version["Key"], VersionId=version["VersionId"])
        line = found["Body"].read().decode("utf-8", "replace").removesuffix("\n")
        lock = _lock_fault(found, datetime.now(UTC))
        faults = (*version["faults"], *([lock] if lock else []))
        return KeptLine(line=line, kept_at=version["LastModified"].astimezone(UTC), faults=faults)


def open_bucket(settings: Settings, address: str) -> AnchorBucket:
    """The bucket of `s3://BUCKET/PREFIX`. Raises InvalidInput for another address, or where boto3 isn't installed."""
    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.netloc:
        raise InvalidInput(f"{address} is no address of a bucket: write s3://BUCKET/PREFIX")
    prefix = parts.path.strip("/")
    retention = timedelta(days=settings.anchor_retention_days)
    return AnchorBucket(_connect(settings), parts.netloc, f"{prefix}/" if prefix else "", retention)


def _connect(settings: Settings) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise InvalidInput(f"s3:// needs boto3: {EXTRA}") from None
    environment = read_environment()
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    given = {name: environment[name.upper()] for name in names if environment.get(name.upper())}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"max_attempts": 3, "mode": "standard"},
        max_pool_connections=READERS,
        # We send a checksum ourselves; the newer ones aren't known everywhere.
        request_checksum_calculation="when_required",
        # Names of buckets as host names need DNS that only AWS and few others have.
        s3={"addressing_style": "path" if settings.anchor_s3_endpoint else "auto"},
    )
    try:
        session = boto3.Session(**given, region_name=region)
        return session.client("s3", endpoint_url=settings.anchor_s3_endpoint or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise InvalidInput(f"The bucket's settings are wrong: {error}") from None


def _object_name(until: datetime) -> str:
    """Sorts by time, and needs no escaping: 2026-11-28T0930Z.jsonl."""
    return until.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z.jsonl").replace(":", "")


def _first_version(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The oldest of a key's versions and delete markers. Raises AnchorPlaceFailed where only markers are left."""
    # Servers list the newest first; of two in the same second the later in the list is the older.
    versions = [entry for entry in reversed(entries) if "Size" in entry]
    if not versions:
        raise AnchorPlaceFailed(f"{entries[0]['Key']} was deleted for good: its bucket did not lock it")
    others = "its object was overwritten or deleted later, by the bucket's versions"
    first = min(versions, key=lambda entry: entry["LastModified"])
    return {**first, "faults": (others,) if len(entries) > 1 else ()}


def _lock_fault(found: dict[str, Any], now: datetime) -> str | None:
    """What the lock of an object lacks; None for one that nobody can delete now."""
    until = found.get("ObjectLockRetainUntilDate")
    if found.get("ObjectLockMode") != COMPLIANCE or until is None:
        return "its object is not locked in compliance mode: whoever holds the bucket can delete it"
    return None if until > now else f"the lock of its object ended on {format_moment(until.astimezone(UTC))}"


@contextmanager
def _translated_errors(bucket: str) -> Iterator[None]:
    """Turns boto3's errors into AnchorPlaceFailed, with the server's own words."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        raise AnchorPlaceFailed(f"bucket {bucket}: {told.get('Code')}: {told.get('Message')}") from None
    except BotoCoreError as error:
        raise AnchorPlaceFailed(f"bucket {bucket}: {error}") from None
