"""What can be said of the locked packages without an advisory service: `python -m tests.security.dependency_audit`.

It checks the lock files: one exact version and a SHA-256 for each package, no other source than an index, none of the
versions that `advisories.csv` lists as vulnerable, and a licence that fits Apache-2.0 for what the service is shipped
with. With --index it also asks the package index whether a version was withdrawn. It knows no other advisory:
CONTRIBUTING.md names the command for those who reach such a service.
"""

import argparse
import csv
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
RUNTIME_LOCK: Final = ROOT / "requirements.lock"
LOCKS: Final = (RUNTIME_LOCK, ROOT / "requirements-dev.lock")
PIN: Final = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;\\]+)( ; (?P<marker>[^\\]+?))? \\?$")
HASH: Final = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?$")
FITTING: Final = re.compile(
    r"MIT|MIT-0|BSD|0BSD|BSD-[23]-Clause|3-Clause BSD|Apache|ISC|PSF|PSF-2\.0|MPL|LGPL|Zlib|CC0-1\.0", re.IGNORECASE
)
"""Licences whose libraries an Apache-2.0 service may use unchanged; a licence is named by one of these words."""
YANKED: Final = re.compile(r"is a yanked version: '([^']+)' candidate")
"""What pip warns of."""
UNFIT: Final = re.compile(r"(?<!L)\bA?GPL|(?<!Lesser )General Public|SSPL|BUSL|Commercial|Proprietary", re.IGNORECASE)


class Pin(NamedTuple):
    """One package of a lock file."""

    name: str
    version: str
    marker: str | None
    hashes: int


class Advisory(NamedTuple):
    """A vulnerability of all versions before `fixed_in`."""

    package: str
    fixed_in: str
    advisory: str
    about: str
    source: str


def read_pins(text: str) -> list[Pin]:
    """The packages of a lock file. Raises ValueError for a line that is neither an exact version nor a SHA-256."""
    pins: list[Pin] = []
    for line in text.splitlines():
        if HASH.match(line) and pins:
            pins[-1] = pins[-1]._replace(hashes=pins[-1].hashes + 1)
        elif found := PIN.match(line):
            pins.append(Pin(found["name"], found["version"], found["marker"], 0))
        else:
            raise ValueError(f"neither an exact version nor a SHA-256: {line}")
    return pins


def read_advisories() -> list[Advisory]:
    """The known advisories, from the table beside this file."""
    with Path(__file__).with_name("advisories.csv").open(encoding="utf-8", newline="") as lines:
        return [Advisory(**row) for row in csv.DictReader(lines)]


def find_lock_problems(pins: Sequence[Pin], advisories: Sequence[Advisory]) -> Iterator[str]:
    """Packages without a hash, and versions that an advisory is about."""
    for pin in pins:
        if not pin.hashes:
            yield f"{pin.name} {pin.version} has no hash"
        for one in advisories:
            if one.package == pin.name and Version(pin.version) < Version(one.fixed_in):
                yield f"{pin.name} {pin.version}: {one.advisory}, {one.about}; fixed in {one.fixed_in} ({one.source})"


def find_licence_problems(pins: Sequence[Pin]) -> Iterator[str]:
    """Installed packages whose licence doesn't fit, or isn't named; others can't be seen."""
    for pin in pins:
        if (licence := read_licence(pin.name)) is not None and not does_licence_fit(licence):
            yield f"{pin.name}: its licence does not fit or is not named: {licence or '-'}"


def read_licence(name: str) -> str | None:
    """How an installed package names its licence, maybe not at all; None for one that isn't installed."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    classifiers = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier", []) if one.startswith("License")]
    named = (about[field] for field in ("License-Expression", "License") if field in about)
    written = next((text[:80] for text in named if text), "")
    return "; ".join(part for part in (written, *classifiers) if part)


def does_licence_fit(licence: str) -> bool:
    """Whether one of the fitting licences is named, and none of the others."""
    return bool(FITTING.search(licence)) and not UNFIT.search(licence)


def find_withdrawn(lock: Path) -> Iterator[str]:
    """Versions that the package index marks as withdrawn (PEP 592). It downloads them.

    Raises CalledProcessError where pip fails.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run"]
    command = [*pip, "--ignore-installed", "--no-deps", "--require-hashes", "-r", str(lock)]
    warnings = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    yield from (f"withdrawn: {found}" for found in YANKED.findall(warnings))


def list_blind_spots(pins: Sequence[Pin], asks_index: bool) -> Iterator[str]:
    """What this audit can't see, in sentences."""
    yield f"advisories other than the {len(read_advisories())} in tests/security/advisories.csv"
    yield "what is no Python package: PostgreSQL, Temporal, the base image"
    if not asks_index:
        yield "whether a version was withdrawn from the index (--index asks it)"
    if missing := [pin.name for pin in pins if read_licence(pin.name) is None]:
        yield f"licences of packages for other systems: {', '.join(missing)}"


def main() -> None:
    """Prints problems and what it can't see; exit code 1 for a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", action="store_true", help="ask the package index for withdrawn versions")
    asks_index = parser.parse_args().index
    locked = {lock: read_pins(lock.read_text(encoding="utf-8")) for lock in LOCKS}
    found = {problem for pins in locked.values() for problem in find_lock_problems(pins, read_advisories())}
    found |= {*find_licence_problems(locked[RUNTIME_LOCK])}
    found |= {problem for lock in LOCKS for problem in find_withdrawn(lock)} if asks_index else set()
    blind = [f"not seen: {what}" for what in list_blind_spots(locked[RUNTIME_LOCK], asks_index)]
    packages = len({pin for pins in locked.values() for pin in pins})
    sys.stdout.write("\n".join([*sorted(found), f"{packages} locked packages, {len(found)} problems", *blind, ""]))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
