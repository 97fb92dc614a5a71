"""The result as one HTML page that needs nothing else: no script, no network, no font, no picture from outside."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from simulator.report.page import build_page
from simulator.report.result import Result
from simulator.report.wording import format_percent

HERE: Final = Path(__file__).parent


def render_report(result: Result) -> str:
    """The page. Same result, same bytes; whatever a policy or a name holds is text there and never markup."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = format_percent
    return environment.get_template("page.html").render(page=build_page(result), result=result)
