"""Temporal's time-skipping test server. `python -m devstack.testserver` prints the path of an executable.

In this order: TEMPORAL_TEST_SERVER, the cached one, the SDK's download, the Java program fetched by Maven
behind a small shell script.
"""

import shutil
import sys
from pathlib import Path

from devstack import _sdk, cache
from devstack.console import progress, say, show_path
from devstack.errors import DevstackError
from settings import Settings

VERSION = "1.38.0"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>pri</groupId><artifactId>test-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
WRAPPER = """#!/bin/sh
here=$(dirname "$0")
exec java -cp "$here/lib/*" io.temporal.testserver.TestServer "$@"
"""


def home() -> Path:
    """The folder of the cached test server."""
    return cache.cache_dir() / "temporal-test-server"


def executable(given: str) -> Path:
    """The one `given` by TEMPORAL_TEST_SERVER, else cached or fetched; DevstackError when nothing works."""
    cached = home() / "temporal-test-server"
    if given and not cache.is_program(Path(given)):
        raise DevstackError(f"TEMPORAL_TEST_SERVER is {given}, which is not an executable file")
    if given:
        return Path(given)
    return cached if cache.is_program(cached) else _fetched(cached)


def _fetched(target: Path) -> Path:
    with cache.workshop("temporal-test-server") as folder:
        if cache.is_program(target):
            return target
        made = folder / "made"
        made.mkdir()
        try:
            _sdk.fetch("test", made).rename(made / target.name)
        except DevstackError as no_download:
            say(f"no download of the test server ({no_download})")
            _with_maven(folder, made)
        shutil.rmtree(home(), ignore_errors=True)
        made.rename(home())
    return target


def _with_maven(folder: Path, made: Path) -> None:
    """Jars in made/lib and the script that runs them."""
    if not (shutil.which("mvn") and shutil.which("java")):
        raise DevstackError("no test server: needs its download, or Maven and Java, or TEMPORAL_TEST_SERVER")
    (folder / "pom.xml").write_text(POM)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={made / 'lib'}", "-DincludeScope=runtime"]
    with progress("fetching Temporal's test server with Maven, once") as line:
        cache.run(["mvn", "-B", "-f", str(folder / "pom.xml"), *goal], line, folder / "output")
    script = made / "temporal-test-server"
    script.write_text(WRAPPER)
    script.chmod(0o755)


def main() -> int:
    """Prints the path; 1 and one line on stderr when there is no way to get one."""
    return show_path(lambda: executable(Settings().temporal_test_server))


if __name__ == "__main__":
    sys.exit(main())
