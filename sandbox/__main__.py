"""`python -m sandbox`: a fake payment provider on a port of this machine.

What signs its webhooks comes from the environment (`SandboxSecrets`): everybody on the machine can read command lines.
"""

import argparse
import asyncio
import socket
import sys
from pathlib import Path
from typing import Final

import uvicorn

from sandbox.app import create_sandbox_app
from sandbox.config import SandboxConfig, SandboxSecrets
from sandbox.models import Shape

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep idle connections (httpx: 5): one that is closed just as it is used again is an error."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; 1 when the port can't be had."""
    given = _build_parser().parse_args(arguments)
    try:
        listener = _open_listener(given.host, given.port)
    except OSError as error:
        print(f"sandbox: can't listen on {given.host}:{given.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    asyncio.run(_serve_app(listener, _config_from_arguments(given), f"http://{given.host}:{listener.getsockname()[1]}"))
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Fake payment providers for development and tests.",
        epilog=f"What signs webhooks is read from {', '.join(SandboxSecrets.variable_names())}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    parser.add_argument("--state", type=Path, help="file that keeps everything; left out: memory only")
    parser.add_argument("--webhook-url", default="", help="where events are posted; left out: nowhere")
    parser.add_argument("--adyen-webhook-url", default="", help="where the fake Adyen's webhooks are posted")
    parser.add_argument("--braintree-webhook-url", default="", help="where the fake Braintree's webhooks are posted")
    parser.add_argument("--shape", type=Shape, default=Shape.BASIL, choices=list(Shape), help="invoice shape of events")
    parser.add_argument("--no-echo", action="store_true", help="pay calls send no events of their own")
    return parser


def _config_from_arguments(given: argparse.Namespace) -> SandboxConfig:
    secrets = SandboxSecrets()
    return SandboxConfig(
        state=given.state,
        webhook_url=given.webhook_url,
        webhook_secret=secrets.webhook_secret.get_secret_value(),
        adyen_webhook_url=given.adyen_webhook_url,
        adyen_hmac_key=secrets.adyen_hmac_key.get_secret_value(),
        braintree_webhook_url=given.braintree_webhook_url,
        braintree_keys=secrets.braintree_keys.get_secret_value(),
        shape=given.shape,
        echo=not given.no_echo,
    )


def _open_listener(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


async def _serve_app(listener: socket.socket, config: SandboxConfig, address: str) -> None:
    app = create_sandbox_app(config)
    settings = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=1, timeout_keep_alive=KEEP_ALIVE_SECONDS
    )
    server = uvicorn.Server(settings)
    print(f"ready {address}", flush=True)  # noqa: T201
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
