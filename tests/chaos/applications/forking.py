"""
A program whose workers fork a process that does nothing, and stays: it has
everything open that the worker has, the channels to the primary included.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from twisted.internet.protocol import Factory, Protocol


class Answer(Protocol):
    """
    Says which process this is.
    """

    def connectionMade(self) -> None:
        """
        Say it, and hang up.
        """
        assert self.transport is not None
        self.transport.write(b"%d\n" % os.getpid())
        self.transport.loseConnection()


def fork() -> None:
    """
    Leave somebody behind.
    """
    pid = os.fork()
    if pid == 0:
        # Not the output, by which the test knows that everything has ended.
        for number in (1, 2):
            os.close(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pause()
        os._exit(0)
    sys.stdout.write(f"left behind: {pid}\n")
    sys.stdout.flush()


def main() -> None:
    """
    Serve.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    reactor.listenTCP(0, Factory.forProtocol(Answer), interface="127.0.0.1")
    reactor.callWhenRunning(fork)
    reactor.run()


if __name__ == "__main__":
    main()
