"""The result as one HTML page that needs nothing else: no script, no network, no font, no picture from outside."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from simulator.report.page import page
from simulator.result import Result

HERE: Final = Path(__file__).parent


def rendered(result: Result) -> str:
    """The page. Same result, same bytes; whatever a policy or a name holds is text there and never markup."""
    shown = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return shown.get_template("page.html").render(page=page(result), result=result)
