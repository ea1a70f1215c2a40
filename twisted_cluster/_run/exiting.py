"""
How to end the process with an exit status that says that it failed.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import cast

from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore


def exitNonZero(reactor: object, code: int = 1) -> None:
    """
    Stop the reactor in order, and end the process with C{code}.

    Neither C{twistd} nor C{twist} lets an application choose the exit status:
    an exception (C{SystemExit} too) is caught by the reactor, and what comes
    after the reactor is theirs until the interpreter ends, with 0.  Ending by
    a signal would be possible, but C{SIGTERM} means to whoever supervises us
    that all was well.  So the status is put in at the last moment at which
    Python runs our code: everything before happens as it always does, services
    stop, the pid file goes, the log says good-bye, and so do all other
    functions registered with L{atexit}.

    @param reactor: The reactor that runs, or is about to.  One that does not
        run stops as soon as it has started.
    """
    core = cast(IReactorCore, reactor)

    def stop() -> None:
        # Somebody else may have stopped it in the meantime.
        with suppress(ReactorNotRunning):
            core.stop()

    # As late as possible: see below.
    core.addSystemEventTrigger("after", "shutdown", atexit.register, _endWith, code)
    core.callWhenRunning(stop)


def _endWith(code: int) -> None:
    """
    End the process, as the last function that runs at exit.

    Functions registered with L{atexit} run in the reverse order, so this one,
    registered last, comes first; it runs the others itself, as nothing can
    come after it.
    """
    atexit.unregister(_endWith)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # Python sets them to None when there are none.
        with suppress(Exception):
            stream.flush()
    os._exit(code)
