"""Becomes another program: `_launch.py SIGNAL UID GID -- PROGRAM ARGUMENTS...`.

A file of its own, run by path without site packages, instead of code that runs between fork and exec: in a process
with threads such code can deadlock. SIGNAL (0: none) is what Linux sends when the starter dies without ending its
children; everything works without it, too. UID -1 keeps the user.
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
    """Has Linux send the signal when the parent dies; to be called after a change of user, which clears it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def main(arguments: list[str]) -> None:
    """Replaces this process by the other program, so it never returns. Raises OSError if that can't be run."""
    number, uid, gid = (int(text) for text in arguments[:3])
    if uid >= 0:
        _become_user(uid, gid)
    if number and sys.platform == "linux":
        _die_with_parent(number)
    # Python ignores SIGPIPE, and exec would pass that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(arguments[4], arguments[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
