"""The locked packages: exact, hashed, of fitting licences, and none of the versions that are known as vulnerable."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.security import dependency_audit
from tests.security.dependency_audit import (
    LOCKS,
    RUNTIME_LOCK,
    Advisory,
    Pin,
    does_licence_fit,
    find_licence_problems,
    find_lock_problems,
    read_advisories,
    read_licence,
    read_pins,
)

HASH = f"    --hash=sha256:{'0' * 64}"
ADVISORY = Advisory("starlette", "1.3.1", "CVE-1", "a limit is ignored", "https://example.com")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locked_packages_have_no_known_problem(lock: Path) -> None:
    pins = read_pins(lock.read_text())
    assert len(pins) > 50
    assert list(find_lock_problems(pins, read_advisories())) == []


def test_every_shipped_package_has_a_fitting_licence() -> None:
    assert list(find_licence_problems(read_pins(RUNTIME_LOCK.read_text()))) == []


def test_every_advisory_is_about_a_locked_package_and_has_a_source() -> None:
    locked = {pin.name for pin in read_pins(LOCKS[1].read_text())}
    for one in read_advisories():
        assert one.package in locked
        assert one.source.startswith("https://")


@pytest.mark.parametrize(
    "text",
    [
        "starlette>=1.10",
        "starlette @ git+https://example.com/starlette",
        "-e .",
        "--extra-index-url https://example.com/simple",
        f"starlette==1.10 \\\n{HASH.replace('sha256', 'md5')}",
        HASH,
    ],
)
def test_other_sources_and_versions_are_no_lock(text: str) -> None:
    with pytest.raises(ValueError, match="neither an exact version nor a SHA-256"):
        read_pins(text)


@pytest.mark.parametrize(
    ("version", "hashes", "problems"),
    [("1.3.0", 1, ["CVE-1"]), ("1.3.1", 1, []), ("1.10.0", 1, []), ("1.10.0", 0, ["has no hash"])],
)
def test_problems_are_named(version: str, hashes: int, problems: Sequence[str]) -> None:
    found = list(find_lock_problems([Pin("starlette", version, None, hashes)], [ADVISORY]))
    assert len(found) == len(problems)
    assert all(word in problem for word, problem in zip(problems, found, strict=True))


@pytest.mark.parametrize(
    ("licence", "fits"),
    [
        ("Apache-2.0 OR BSD-3-Clause", True), ("LGPL-3.0-only", True), ("MIT AND PSF-2.0", True), ("", False),
        ("GNU LGPL v3+; GNU Lesser General Public License v3 or later (LGPLv3+)", True), ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False), ("GNU General Public License v3 (GPLv3)", False), ("MIT AND GPL-2.0", False),
        ("Custom", False), ("Proprietary; MIT", False),
    ],
)  # fmt: skip
def test_licences(licence: str, fits: bool) -> None:
    assert does_licence_fit(licence) is fits


def test_licence_of_a_package_that_is_not_installed_is_unknown() -> None:
    assert read_licence("no-package-of-this-name") is None


def test_command_says_what_it_can_not_see(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["dependency_audit"])
    with pytest.raises(SystemExit) as excinfo:
        dependency_audit.main()
    said = capsys.readouterr().out
    assert (excinfo.value.code, "0 problems" in said) == (0, True)
    assert "not seen: advisories other than the" in said
    assert "not seen: whether a version was withdrawn" in said


def test_withdrawn_versions_are_read_from_what_pip_says(monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "WARNING: The candidate selected for download or install is a yanked version: 'six' candidate (version 1)"
    answer = subprocess.CompletedProcess([], 0, "", f"{warning}\nReason for being yanked: broken\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    assert list(dependency_audit.find_withdrawn(RUNTIME_LOCK)) == ["withdrawn: six"]
