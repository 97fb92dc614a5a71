"""Becomes another program: `_launch.py SIGNAL UID GID -- PROGRAM ARGUMENTS...`.

A file of its own, run by path without site packages, so that nothing happens between fork and exec in a
process with threads. SIGNAL (0: none) is what Linux sends when the starter dies without saying goodbye: an
extra, everything works without it. UID -1 keeps the user.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def _become_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _die_with_parent(number: int) -> None:
    """Linux only; set after a change of user, which would clear it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def main(arguments: list[str]) -> None:
    """Never returns: the process is the other program afterwards."""
    number, uid, gid = (int(text) for text in arguments[:3])
    if uid >= 0:
        _become_user(uid, gid)
    if number and sys.platform == "linux":
        _die_with_parent(number)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(arguments[4], arguments[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
