"""Style, scripts and pictures, whose addresses change with their content, so that browsers may cache them."""

import os
from typing import Final

from starlette.staticfiles import StaticFiles

SERVED: Final = (".css", ".js", ".png", ".svg")
"""Everything else beside them, such as a package's source, is not served."""


class CachedFiles(StaticFiles):
    """Serves the files of a folder, and of packages."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """The file with this path; none for a kind that isn't served."""
        return super().lookup_path(path) if path.endswith(SERVED) else ("", None)

    def file_response(self, *args: object, **named: object) -> object:  # type: ignore[override]
        """The file, with a Cache-Control header that allows a day of caching."""
        answer = super().file_response(*args, **named)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=86400"
        return answer
