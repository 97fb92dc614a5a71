"""Renders a result as one self-contained HTML page: no script, and no font, picture or file from the network."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from simulator.report.page import build_page
from simulator.report.result import Result
from simulator.report.wording import format_percent

HERE: Final = Path(__file__).parent


def render_report(result: Result) -> str:
    """The HTML page of a result; the same result gives the same bytes. Texts are escaped, so none becomes markup."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = format_percent
    return environment.get_template("page.html").render(page=build_page(result), result=result)
