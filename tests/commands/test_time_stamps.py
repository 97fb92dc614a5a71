"""Time stamps of anchors (RFC 3161), made by `openssl ts` with certificates of the test's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rfc3161_client import TimestampRequestBuilder

from commands.anchors.time_stamps import TimeStamps
from db.anchors import BEGINNING, FIRST, Anchor
from tests.commands.conftest import Pri
from tests.commands.test_database import fresh
from tests.db.conftest import Addresses
from tests.support.time_authority import OPENSSL, TimeAuthority, running_authority

__all__ = ["fresh"]

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs openssl")


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[TimeAuthority]:
    with running_authority(tmp_path / "authority") as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "anchors.jsonl"


def settings_of(authority: TimeAuthority, fresh: Addresses) -> dict[str, str]:
    """The settings of a host that stamps its anchors."""
    given = {"TIMESTAMP_URL": authority.url, "TIMESTAMP_CA_FILE": str(authority.ca_file)}
    return given | {"DATABASE_URL": fresh.writer}


def write_anchor(pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path) -> Anchor:
    """The only anchor of this file, made now."""
    answer = pri("audit", "anchor", str(file), **settings_of(authority, fresh))
    assert answer.code == 0, answer.err
    return Anchor.model_validate_json(file.read_text())


def test_stamped_anchor_is_verified(pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path) -> None:
    assert write_anchor(pri, authority, fresh, file).stamp
    # The address is needed to make stamps only: verification goes by the certificates, without the authority.
    settings = settings_of(authority, fresh) | {"TIMESTAMP_URL": ""}
    answer = pri("audit", "verify", "--anchors", str(file), **settings)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "1 anchors, 0 contradicted")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"recoveries": 5}, "has a time stamp that proves nothing: Mismatch between messages"),
        ({"stamp": "AAAA"}, "has a time stamp that proves nothing: the answer is no time stamp"),
        ({"stamp": "=?"}, "has a time stamp that proves nothing: it is no base64"),
        ({"stamp": None}, "has no time stamp"),
    ],
)
def test_changed_anchor_does_not_fit_its_stamp(
    pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path, change: dict[str, object], complaint: str
) -> None:
    anchor = write_anchor(pri, authority, fresh, file)
    file.write_text(f"{anchor.model_copy(update=change).to_line()}\n")
    answer = pri("audit", "verify", "--anchors", str(file), **settings_of(authority, fresh))
    assert answer.code == 1
    assert answer.out.splitlines()[0].endswith(complaint)


def test_anchor_that_was_stamped_long_after_its_end_proves_nothing(
    pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path
) -> None:
    # Whoever rewrites log and file can get new stamps, with the time at which they got them.
    anchor = write_anchor(pri, authority, fresh, file)
    forged = anchor.model_copy(update={"until": anchor.until.replace(year=anchor.until.year - 1), "stamp": None})
    file.unlink()
    settings = settings_of(authority, fresh)
    stamp = stamp_text(authority, forged.to_stamped_text())
    file.write_text(f"{forged.model_copy(update={'stamp': stamp}).to_line()}\n")
    answer = pri("audit", "verify", "--anchors", str(file), **settings)
    assert answer.code == 1
    assert "was stamped only at" in answer.out.splitlines()[0]


def stamp_text(authority: TimeAuthority, text: str) -> str:
    return TimeStamps(authority.url, authority.ca_file).request_stamp(text)


def test_stamps_of_another_authority_are_refused(
    pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path, tmp_path: Path
) -> None:
    write_anchor(pri, authority, fresh, file)
    with running_authority(tmp_path / "other") as other:
        settings = settings_of(authority, fresh) | {"TIMESTAMP_CA_FILE": str(other.ca_file)}
        answer = pri("audit", "verify", "--anchors", str(file), **settings)
        assert answer.code == 1
        assert "proves nothing: Error while verifying certificates" in answer.out.splitlines()[0]
        refused = pri("audit", "anchor", str(tmp_path / "new.jsonl"), **settings)
        assert "gave no usable time stamp" in refused.error_line()
        assert not (tmp_path / "new.jsonl").exists()


def test_answer_that_is_no_time_stamp_is_refused(
    pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path
) -> None:
    authority.broken = b"\x30\x03\x02\x01\x02"
    refused = pri("audit", "anchor", str(file), **settings_of(authority, fresh))
    assert "gave no usable time stamp: the answer is no time stamp" in refused.error_line()
    assert not file.exists()


def test_answer_to_another_request_is_refused(pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path) -> None:
    request = TimestampRequestBuilder().data(b"something else").build().as_bytes()
    authority.broken = authority.answer(request)
    refused = pri("audit", "anchor", str(file), **settings_of(authority, fresh))
    assert "gave no usable time stamp" in refused.error_line()


def test_authority_away_is_one_line(pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path) -> None:
    settings = settings_of(authority, fresh) | {"TIMESTAMP_URL": "http://127.0.0.1:1/"}
    assert "http://127.0.0.1:1/ can't be reached" in pri("audit", "anchor", str(file), **settings).error_line()
    assert not file.exists()


def test_settings_that_prove_nothing_are_refused(
    pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path, tmp_path: Path
) -> None:
    settings = settings_of(authority, fresh)
    without = {"TIMESTAMP_URL": authority.url, "DATABASE_URL": fresh.writer}
    assert "TIMESTAMP_URL needs TIMESTAMP_CA_FILE" in pri("audit", "anchor", str(file), **without).error_line()
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    no_root = pri("audit", "anchor", str(file), **settings | {"TIMESTAMP_CA_FILE": str(empty)})
    assert f"TIMESTAMP_CA_FILE {empty} can't be read" in no_root.error_line()
    signer = pri("audit", "anchor", str(file), **settings | {"TIMESTAMP_CA_FILE": str(authority.folder / "signer.pem")})
    assert "holds no root certificate" in signer.error_line()


def test_stamped_and_unstamped_anchors_are_not_mixed(
    pri: Pri, authority: TimeAuthority, fresh: Addresses, file: Path
) -> None:
    write_anchor(pri, authority, fresh, file)
    plain = {"DATABASE_URL": fresh.writer}
    assert f"{file} holds anchors with time stamps" in pri("audit", "anchor", str(file), **plain).error_line()
    unverified = pri("audit", "verify", "--anchors", str(file), **plain)
    assert "name the authority's certificates in TIMESTAMP_CA_FILE" in unverified.error_line()


def test_unstamped_lines_are_written_as_before() -> None:
    anchor = Anchor(since=BEGINNING, until=BEGINNING, recoveries=0, root="", previous=FIRST)
    assert list(json.loads(anchor.to_line())) == ["since", "until", "recoveries", "root", "previous"]
    assert anchor.model_copy(update={"stamp": "x"}).to_stamped_text() == anchor.to_line()
