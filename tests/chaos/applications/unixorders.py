"""
A program that answers with its process id on every endpoint that is an argument,
and hangs up; unless its client has said something first, C{stay} or C{block}.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Orders(LineReceiver):
    """
    Waits a moment for an order.
    """

    delimiter = b"\n"
    factory: Any

    def connectionMade(self) -> None:
        """
        Answer, if nobody orders anything.
        """
        self._answering = self.factory.reactor.callLater(0.05, self._answer)

    def _answer(self) -> None:
        """
        Nobody did.
        """
        assert self.transport is not None
        self.transport.write(b"%d" % os.getpid())
        self.transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        """
        Do it.
        """
        self._answering.cancel()
        sys.stdout.write(f"{line.decode()}ing\n")
        sys.stdout.flush()
        while line == b"block":
            pass

    def connectionLost(self, reason: object = None) -> None:
        """
        The client has gone.
        """
        if self._answering.active():
            self._answering.cancel()


def main() -> None:
    """
    Listen, and run.
    """
    from twisted.internet import endpoints
    from twisted.internet import reactor as installed

    reactor: Any = installed
    for description in sys.argv[1:]:
        factory: Any = Factory.forProtocol(Orders)
        factory.reactor = reactor
        endpoints.serverFromString(reactor, description).listen(factory)
    reactor.run()


if __name__ == "__main__":
    main()
