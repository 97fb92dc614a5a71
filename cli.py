"""The `pri` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from core.errors import RecoveryError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Wins back failed payments."
)


@app.callback()
def _root() -> None:
    """Wins back failed payments."""


@app.command()
def dev(
    data_dir: Annotated[Path, typer.Option(help="Where data, logs and development secrets are kept.")] = Path(".pri"),
    api_port: Annotated[int, typer.Option(help="Port of the API; 0: any free one.")] = 8000,
    temporal_port: Annotated[int, typer.Option(help="Port of Temporal; 0: any free one.")] = 7233,
    temporal_ui_port: Annotated[int, typer.Option(help="Port of Temporal's web UI; 0: any free one.")] = 8233,
    sandbox: Annotated[bool, typer.Option(help="Play the payment provider on this machine.")] = True,
) -> None:
    """Run the whole service on this machine until Ctrl-C.

    Starts PostgreSQL, Temporal, the sandbox gateway, API and worker, keeps their data over restarts, and starts
    again what dies. DATABASE_URL and TEMPORAL_ADDRESS take the place of the embedded ones. Prints one line
    `ready http://127.0.0.1:PORT` to stdout; everything else goes to stderr and to DATA_DIR/logs.
    """
    from devstack.children import Options
    from devstack.foreground import run_until_stopped

    run_until_stopped(Options(data_dir, api_port, temporal_port, temporal_ui_port, sandbox))


def main() -> None:
    """Errors of ours are one line on stderr and exit code 1."""
    try:
        app()
    except RecoveryError as error:
        _fail(str(error))
    except ValidationError as error:
        _fail("; ".join(_setting(detail["loc"], detail["msg"]) for detail in error.errors()))


def _setting(path: tuple[int | str, ...], message: str) -> str:
    """Names the setting and never shows its value, which may be a secret."""
    return f"{'.'.join(str(part) for part in path).upper() or 'settings'}: {message}"


def _fail(text: str) -> None:
    sys.stderr.write(f"pri: {' '.join(text.split())}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
