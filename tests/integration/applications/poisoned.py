"""
A server with a mistake: what connects from 127.0.0.2 is its end.
"""

from __future__ import annotations

import os

from twisted.internet import reactor  # noqa: TID253
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol


class Poisoned(Protocol):
    """
    Tells its process id, if it can.
    """

    def connectionMade(self) -> None:
        """
        Answer, or end.
        """
        assert self.transport is not None
        if self.transport.getPeer().host == "127.0.0.2":  # type: ignore[attr-defined]
            os._exit(7)
        self.transport.write(b"%d\n" % (os.getpid(),))
        self.transport.loseConnection()


IReactorTCP(reactor).listenTCP(
    0,
    Factory.forProtocol(Poisoned),  # type: ignore[arg-type]
    interface="127.0.0.1",
)
reactor.run()
