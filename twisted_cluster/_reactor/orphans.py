"""
No worker outlives its primary.

A worker learns from its channel that the primary is gone, but only when its
reactor turns.  Linux can have the kernel see to it instead.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def dieWith(parent: int) -> None:
    """
    Have the kernel kill this process when the process that started it ends.

    The kernel forgets this when the process changes its user or group, so it
    has to be done again afterwards.  Where there is no such thing, nothing
    happens.

    @param parent: The process id of the one that started this one; if it ended
        before the kernel was told, this process ends here.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
