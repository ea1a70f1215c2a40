"""
Two ports with different answers: who is served by the wrong one can tell.

Each answer is one line, the port's name and the worker's process id; then the
connection is closed.  The arguments are the descriptions of the two endpoints.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.protocol import Factory, Protocol


class Answer(Protocol):
    """
    Says which port this is.
    """

    factory: Any

    def connectionMade(self) -> None:
        """
        Say it, and hang up.
        """
        assert self.transport is not None
        self.transport.write(b"%s %d\n" % (self.factory.name, os.getpid()))
        self.transport.loseConnection()


def main() -> None:
    """
    Serve both.
    """
    from twisted.internet import endpoints
    from twisted.internet import reactor as installed

    reactor: Any = installed
    for name, description in zip((b"first", b"second"), sys.argv[1:], strict=True):
        factory: Any = Factory.forProtocol(Answer)
        factory.name = name
        endpoints.serverFromString(reactor, description).listen(factory)
    reactor.run()


if __name__ == "__main__":
    main()
