"""Anchors in an S3-compatible bucket: locked, and every way to replace them shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from commands.anchors import open_place
from commands.anchors.places import AnchorPlace, AnchorPlaceFailed
from core.errors import InvalidInput
from db.anchors import BEGINNING, FIRST, Anchor, hash_line
from settings import Settings
from tests.commands.conftest import Pri
from tests.commands.test_database import fresh, record_canceled_recovery
from tests.db.conftest import Addresses
from tests.support.s3_server import CREDENTIALS, connect_s3, running_s3

__all__ = ["fresh"]

NUMBERS = count()
NOW = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_s3() as address:
        yield address


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the bucket's owner; the commands have the same keys."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return connect_s3(endpoint)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"anchors-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def place(endpoint: str, bucket: str) -> AnchorPlace:
    return open_place(Settings(anchor_s3_endpoint=endpoint), f"s3://{bucket}/log")


def append_two(place: AnchorPlace) -> list[Anchor]:
    """Two anchors that follow each other, the newest a minute old."""
    first = Anchor(since=BEGINNING, until=NOW - timedelta(minutes=2), recoveries=0, root="a", previous=FIRST)
    second = Anchor(
        since=first.until, until=NOW - timedelta(minutes=1), recoveries=0, root="b", previous=hash_line(first.to_line())
    )
    for anchor in (first, second):
        place.append(anchor.to_line(), anchor.until)
    return [first, second]


def first_object(s3: Any, bucket: str) -> dict[str, Any]:
    """Key and version of the oldest anchor."""
    found = s3.list_object_versions(Bucket=bucket)["Versions"]
    oldest = min(found, key=lambda one: one["Key"])
    return {"Bucket": bucket, "Key": oldest["Key"], "VersionId": oldest["VersionId"]}


def test_command_anchors_into_a_bucket_and_verifies_against_it(
    pri: Pri, fresh: Addresses, endpoint: str, s3: Any, bucket: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": fresh.writer, "ANCHOR_S3_ENDPOINT": endpoint}
    record_canceled_recovery(fresh.writer, "in_1")
    anchored = pri("audit", "anchor", f"s3://{bucket}/log", **settings)
    assert anchored.code == 0, anchored.err
    verified = pri("audit", "verify", "--anchors", f"s3://{bucket}/log", **settings)
    assert (verified.code, verified.out.splitlines()[0]) == (0, "1 anchors, 0 contradicted")
    # The same format: the object is an anchor file.
    content = s3.get_object(**first_object(s3, bucket))["Body"].read()
    (tmp_path / "copy.jsonl").write_bytes(content)
    copied = pri("audit", "verify", "--anchors", str(tmp_path / "copy.jsonl"), **settings)
    assert (copied.code, copied.out.splitlines()[0]) == (0, "1 anchors, 0 contradicted")


def test_lines_come_back_in_order_without_faults(place: AnchorPlace) -> None:
    assert place.last_line() is None
    anchors = append_two(place)
    assert place.last_line() == anchors[1].to_line()
    lines = place.read_lines()
    assert [one.line for one in lines] == [anchor.to_line() for anchor in anchors]
    assert [one.faults for one in lines] == [(), ()]
    assert all(one.kept_at and abs(one.kept_at - datetime.now(UTC)) < timedelta(minutes=5) for one in lines)


def test_locked_anchor_can_not_be_deleted_by_the_owner(place: AnchorPlace, s3: Any, bucket: str) -> None:
    append_two(place)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**first_object(s3, bucket), BypassGovernanceRetention=True)
    found = s3.head_object(**first_object(s3, bucket))
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert abs(found["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=400)) < timedelta(minutes=5)


def test_overwritten_anchor_counts_as_it_was_first(place: AnchorPlace, s3: Any, bucket: str) -> None:
    anchors = append_two(place)
    s3.put_object(Bucket=bucket, Key=first_object(s3, bucket)["Key"], Body=b"forged\n")
    lines = place.read_lines()
    assert [one.line for one in lines] == [anchor.to_line() for anchor in anchors]
    assert [len(one.faults) for one in lines] == [1, 0]
    assert "overwritten or deleted" in lines[0].faults[0]


def test_deleted_anchor_is_read_all_the_same(place: AnchorPlace, s3: Any, bucket: str) -> None:
    anchors = append_two(place)
    s3.delete_object(Bucket=bucket, Key=first_object(s3, bucket)["Key"])  # leaves a delete marker on top
    lines = place.read_lines()
    assert [one.line for one in lines] == [anchor.to_line() for anchor in anchors]
    assert "overwritten or deleted" in lines[0].faults[0]


def test_anchor_is_never_written_over(place: AnchorPlace) -> None:
    first, _ = append_two(place)
    with pytest.raises(AnchorPlaceFailed, match="PreconditionFailed"):
        place.append(first.to_line(), first.until)


def test_object_without_a_lock_proves_nothing(
    pri: Pri, fresh: Addresses, endpoint: str, place: AnchorPlace, s3: Any, bucket: str
) -> None:
    first, _ = append_two(place)
    s3.put_object(Bucket=bucket, Key="other/1.jsonl", Body=f"{first.to_line()}\n".encode())
    settings = {"DATABASE_URL": fresh.writer, "ANCHOR_S3_ENDPOINT": endpoint}
    answer = pri("audit", "verify", "--anchors", f"s3://{bucket}/other", **settings)
    assert answer.code == 1
    assert "is not locked in compliance mode" in answer.out.splitlines()[0]


def test_anchor_that_was_put_there_late_proves_nothing(
    pri: Pri, fresh: Addresses, endpoint: str, place: AnchorPlace, bucket: str
) -> None:
    late = Anchor(since=BEGINNING, until=NOW - timedelta(hours=2), recoveries=0, root="a", previous=FIRST)
    place.append(late.to_line(), late.until)
    settings = {"DATABASE_URL": fresh.writer, "ANCHOR_S3_ENDPOINT": endpoint}
    answer = pri("audit", "verify", "--anchors", f"s3://{bucket}/log", **settings)
    assert answer.code == 1
    assert "was put there only at" in answer.out.splitlines()[0]


def test_bucket_without_object_lock_is_refused(endpoint: str, s3: Any) -> None:
    s3.create_bucket(Bucket="unlocked")
    place = open_place(Settings(anchor_s3_endpoint=endpoint), "s3://unlocked/log")
    with pytest.raises(AnchorPlaceFailed, match=r"bucket unlocked|is not locked in compliance mode"):
        append_two(place)


@pytest.mark.usefixtures("s3")
def test_mistakes_are_one_line(pri: Pri, fresh: Addresses, endpoint: str) -> None:
    def error(place: str, address: str = endpoint) -> str:
        return pri("audit", "anchor", place, DATABASE_URL=fresh.writer, ANCHOR_S3_ENDPOINT=address).error_line()

    assert "bucket missing: NoSuchBucket" in error("s3://missing/log")
    assert "Could not connect to the endpoint" in error("s3://anchors-0", "http://127.0.0.1:1")
    assert "is no address of a bucket" in error("s3:///log")
    assert "is no address of a bucket" in error("gs://anchors/log")
    assert "The bucket's settings are wrong" in error("s3://anchors-0", "nowhere")
    empty = pri("audit", "verify", "--anchors", "s3://anchors-0/none", DATABASE_URL=fresh.writer,
                ANCHOR_S3_ENDPOINT=endpoint)  # fmt: skip
    assert "there are no anchors in s3://anchors-0/none" in empty.err


def test_other_schemes_are_refused_without_a_server() -> None:
    with pytest.raises(InvalidInput, match="is no address of a bucket"):
        open_place(Settings(), "https://example.com/anchors")
