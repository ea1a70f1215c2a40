"""
Sockets that have a path in the file system, and whose path it is.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from twisted.internet import unix

PATH_LIMIT = 103
"""
How many bytes a UNIX socket's path has at most, where the kernel takes least.
"""


def isPath(name: bytes) -> bool:
    """
    Whether a UNIX socket of this name is in the file system.
    """
    return bool(name) and unix._inFilesystemNamespace(name)


def bindable(path: bytes) -> bytes:
    """
    The same path in fewer bytes, if it has more than the kernel takes.
    """
    if len(path) <= PATH_LIMIT or not isPath(path):
        return path
    return min(path, os.path.relpath(path), key=len)


def socketAt(path: bytes) -> tuple[int, int] | None:
    """
    Which socket is at a path itself, as the kernel tells files apart; C{None} if
    there is none, or something else, such as a link.
    """
    if not isPath(path):
        return None
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def removeSocket(path: bytes, which: tuple[int, int] | None) -> None:
    """
    Remove a socket's path, if it can be done: somebody else may have, and may
    have something else there by now, which stays.
    """
    if which is not None and socketAt(path) == which:
        with suppress(OSError):
            os.unlink(path)


def removeStaleSocket(path: bytes, kind: socket.SocketKind) -> None:
    """
    Remove the socket that a primary left which had no time to clean up.

    A path that nobody listens on any more refuses connections; one that is in
    use accepts them, or has a full backlog, and stays.  So does everything that
    is no socket, also a link to one: a worker may have named any path.
    """
    found = socketAt(path)
    if found is None:
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(bindable(path))
        except ConnectionRefusedError:
            removeSocket(path, found)
        except OSError:
            # In use (EAGAIN: its backlog is full), or not ours to judge.
            return
