"""
An Autobahn WebSocket server that echoes, as in Autobahn's own examples.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.python import log


class Echo(WebSocketServerProtocol):
    """
    Sends back what comes.
    """

    def onOpen(self) -> None:
        """
        Say who serves this connection.
        """
        self.sendMessage(str(os.getpid()).encode())

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        Send it back.
        """
        self.sendMessage(payload, isBinary)


if __name__ == "__main__":
    from twisted.internet import reactor

    log.startLogging(sys.stdout)
    factory = WebSocketServerFactory("ws://127.0.0.1")
    factory.protocol = Echo
    server: Any = reactor
    server.listenTCP(0, factory, interface="127.0.0.1")
    server.run()
