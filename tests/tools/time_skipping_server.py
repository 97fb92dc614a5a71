"""Temporal's time-skipping test server. `python -m tests.tools.time_skipping_server` prints the path of an executable.

In this order: TEMPORAL_TEST_SERVER, the cached one, the SDK's download, the Java program fetched by Maven
behind a small shell script.
"""

import shutil
import sys
from pathlib import Path

from devstack import program_cache
from devstack.console import print_path, print_status, show_progress
from devstack.errors import DevstackError
from settings import Settings

VERSION = "1.38.0"
MAVEN_PROJECT = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>pri</groupId><artifactId>test-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""
JAVA_WRAPPER = """#!/bin/sh
here=$(dirname "$0")
exec java -cp "$here/lib/*" io.temporal.testserver.TestServer "$@"
"""


def test_server_folder() -> Path:
    """The folder of the cached test server."""
    return program_cache.cache_dir() / "temporal-test-server"


def find_test_server(path_setting: str) -> Path:
    """The server named by TEMPORAL_TEST_SERVER, else cached or fetched. Raises DevstackError."""
    cached = test_server_folder() / "temporal-test-server"
    if path_setting and not program_cache.is_program(Path(path_setting)):
        raise DevstackError(f"TEMPORAL_TEST_SERVER is {path_setting}, which is not an executable file")
    if path_setting:
        return Path(path_setting)
    return cached if program_cache.is_program(cached) else _fetch_server(cached)


def _fetch_server(target: Path) -> Path:
    with program_cache.build_folder("temporal-test-server") as folder:
        if program_cache.is_program(target):
            return target
        build_folder = folder / "made"
        build_folder.mkdir()
        try:
            program_cache.fetch_sdk_server("test", build_folder).rename(build_folder / target.name)
        except DevstackError as no_download:
            print_status(f"no download of the test server ({no_download})")
            _fetch_with_maven(folder, build_folder)
        shutil.rmtree(test_server_folder(), ignore_errors=True)
        build_folder.rename(test_server_folder())
    return target


def _fetch_with_maven(folder: Path, target: Path) -> None:
    """Fetches the jars into `lib` and writes the script that runs them."""
    if not (shutil.which("mvn") and shutil.which("java")):
        raise DevstackError("no test server: needs its download, or Maven and Java, or TEMPORAL_TEST_SERVER")
    (folder / "pom.xml").write_text(MAVEN_PROJECT)
    arguments = ["dependency:copy-dependencies", f"-DoutputDirectory={target / 'lib'}", "-DincludeScope=runtime"]
    with show_progress("fetching Temporal's test server with Maven, once") as line:
        program_cache.run_helper(["mvn", "-B", "-f", str(folder / "pom.xml"), *arguments], line, folder / "output")
    script = target / "temporal-test-server"
    script.write_text(JAVA_WRAPPER)
    script.chmod(0o755)


def main() -> int:
    """Prints the path; 1 and one line on stderr when there is no way to get one."""
    return print_path(lambda: find_test_server(Settings().temporal_test_server))


if __name__ == "__main__":
    sys.exit(main())
