"""Finds free ports on 127.0.0.1 and checks whether one is in use."""

import random
import socket

from devstack.errors import DevstackError

LOOPBACK = "127.0.0.1"
PORT_RANGE = range(15_000, 32_000)


def free_port() -> int:
    """A port of PORT_RANGE on which nothing listens now. Raises DevstackError if there is none."""
    # Below the range of ephemeral ports: an outgoing connection could otherwise take the port before our server does.
    for port in random.sample(PORT_RANGE, len(PORT_RANGE)):
        if is_free(port):
            return port
    raise DevstackError(f"every port from {PORT_RANGE.start} to {PORT_RANGE.stop - 1} is in use")


def is_free(port: int) -> bool:
    """Whether a server could listen there now; lingering connections of an earlier one don't prevent it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether something accepts TCP connections there, within a second."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def choose_port(port: int, option: str) -> int:
    """The port itself, or a free one for 0. Raises DevstackError naming the option if the port is in use."""
    if port == 0:
        return free_port()
    if not is_free(port):
        raise DevstackError(f"port {port} is in use: end what uses it or choose another with {option}")
    return port
