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


def whenAskedAgain(reactor: Any, asked: Callable[[], None]) -> Callable[[], None]:
    """
    From now on, have SIGTERM and SIGINT call C{asked}.

    For a reactor that is stopping already: its own handlers would only find
    that it cannot be stopped twice.

    @param reactor: Provides C{IReactorFromThreads} and C{IReactorTime};
        C{asked} is called in it.

    @return: To be called when there is nothing left to ask for: then the
        signals mean again what they did.
    """
    before: dict[int, Any] = {}
    first = reactor.seconds()

    def handle(number: int, frame: object) -> None:
        if reactor.seconds() - first >= SAME_REQUEST:
            reactor.callFromThread(asked)

    def undo() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    # Only the main thread may set handlers; elsewhere there are none.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, signal.SIG_DFL, None):
                before[number] = handler
                signal.signal(number, handle)
    return undo
