"""Ports of 127.0.0.1: free ones, taken ones."""

import socket

from devstack.errors import DevstackError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen there now (connections of an earlier one that linger don't matter)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Whether something takes TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def chosen(port: int, option: str) -> int:
    """The port itself when it is free, a free one for 0; DevstackError naming the option otherwise."""
    if port == 0:
        return free_port()
    if not is_free(port):
        raise DevstackError(f"port {port} is in use: end what uses it or choose another with {option}")
    return port
