"""
Sockets that the primary was started with, such as systemd's, in its workers.

Workers have them under the same numbers, so that C{systemd:} endpoints find them.
Who listens on one in a worker gets the primary's port, though; see
L{BorrowingReactorMixin.adoptStreamPort
<twisted_cluster._reactor.layer.BorrowingReactorMixin.adoptStreamPort>}.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from twisted.internet import endpoints
from twisted.python.systemd import ListenFDs


def givenToThisProcess() -> Sequence[int]:
    """
    The descriptors that systemd gave to this process.
    """
    # Whoever asks the environment is the last one who can, and it did.
    return endpoints._SystemdParser._sddaemon.inheritedDescriptors()


def inheritable(descriptors: Sequence[int]) -> dict[str, str]:
    """
    What has to be in a worker's environment that is given these descriptors.
    """
    if not descriptors:
        return {}
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(descriptors))}


def inheritFrom(primary: int) -> dict[int, int]:
    """
    Have what systemd gave to the primary be what it gave to this process.

    @param primary: The primary's process id.

    @return: By number, the inode of each socket.
    """
    if os.environ.get("LISTEN_PID") != str(primary):
        return {}
    os.environ["LISTEN_PID"] = str(os.getpid())
    given = ListenFDs.fromEnvironment()
    # It asked before, when it was imported.
    endpoints._SystemdParser._sddaemon = given
    numbers = given.inheritedDescriptors()
    for number in numbers:
        # They were given to this process, not to what it starts.
        os.set_inheritable(number, False)
    return {number: os.fstat(number).st_ino for number in numbers}
