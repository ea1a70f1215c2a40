"""
A program that runs its own reactor: it tells everybody who connects who it is.

Run with C{python -m sample.program [REACTOR]}, or as a script.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet.protocol import Factory, Protocol


class WhoAmI(Protocol):
    """
    Says who and what it is, in one line.
    """

    def connectionMade(self) -> None:
        """
        Say it, and close.
        """
        from twisted.internet import reactor

        assert self.transport is not None
        peer = self.transport.getPeer()
        loop = getattr(reactor, "_asyncioEventloop", None)
        answer = {
            "pid": os.getpid(),
            "uid": os.getuid(),
            "peer": [getattr(peer, "host", None), getattr(peer, "port", None)],
            "module": type(self).__module__,
            "argv": sys.argv,
            "reactor": [kind.__name__ for kind in type(reactor).__mro__],
            "loop": type(loop).__module__,
        }
        self.transport.write(json.dumps(answer).encode() + b"\n")
        self.transport.loseConnection()


def install(name: str) -> None:
    """
    Install a reactor, as such programs do.
    """
    from twisted.internet import asyncioreactor, selectreactor

    loop: Any = None
    if name == "select":
        selectreactor.install()
    else:
        if name == "uvloop":
            import uvloop

            loop = uvloop.new_event_loop()
        asyncioreactor.install(loop)


def main(arguments: list[str]) -> None:
    """
    Serve until it is stopped.
    """
    if arguments:
        install(arguments[0])
    from twisted.internet import reactor

    server: Any = reactor
    port = server.listenTCP(0, Factory.forProtocol(WhoAmI), interface="127.0.0.1")
    print("the program listens on", port.getHost().port)  # noqa: T201
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
