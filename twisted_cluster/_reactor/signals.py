"""
What a second signal means while the first one is being obeyed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

SAME_REQUEST = 1.0
"""
Seconds within which a second signal is the first one, delivered twice: as it is
by whatever signals a process and its group, such as timeout(1).
"""


def whenAskedAgain(reactor: Any, asked: Callable[[], None]) -> None:
    """
    From now on, have SIGTERM and SIGINT call C{asked}.

    For a reactor that is stopping already: its own handlers would only find
    that it cannot be stopped twice.

    @param reactor: Provides C{IReactorFromThreads} and C{IReactorTime};
        C{asked} is called in it.
    """
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; elsewhere there are none.
        return

    first = reactor.seconds()

    def handle(number: int, frame: object) -> None:
        if reactor.seconds() - first >= SAME_REQUEST:
            reactor.callFromThread(asked)

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL, None):
            signal.signal(number, handle)
