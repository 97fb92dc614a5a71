"""Finds free ports on 127.0.0.1 and checks whether one is in use."""

import random
import socket

from devstack.errors import DevstackError

LOOPBACK = "127.0.0.1"
PORT_RANGE = range(15_000, 32_000)


def free_port() -> int:
    """A port that nobody listens on right now; whoever is to listen there will be some seconds later.

    Below those that systems give out by themselves, or somebody's connection might get it meanwhile.
    """
    for port in random.sample(PORT_RANGE, len(PORT_RANGE)):
        if is_free(port):
            return port
    raise DevstackError(f"every port from {PORT_RANGE.start} to {PORT_RANGE.stop - 1} is in use")


def is_free(port: int) -> bool:
    """Whether a server could listen there now (connections of an earlier one that linger don't matter)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether something takes TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def choose_port(port: int, option: str) -> int:
    """The port itself when it is free, a free one for 0; DevstackError naming the option otherwise."""
    if port == 0:
        return free_port()
    if not is_free(port):
        raise DevstackError(f"port {port} is in use: end what uses it or choose another with {option}")
    return port
