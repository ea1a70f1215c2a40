"""
An Autobahn WebSocket server that sends messages back.

C{main} is what C{twisted.internet.task.react} would be given, a callable that
takes the reactor, and C{cluster} runs that too::

    $ ENDPOINT=tcp:8080:interface=127.0.0.1 twistd -n cluster --workers 4 websocket:main

A client stays with the worker that it got, which says its number first::

    $ python -c "
    > from websockets.sync.client import connect
    > with connect('ws://127.0.0.1:8080/') as client:
    >     print(client.recv())
    >     client.send('hello')
    >     print(client.recv())
    > "
    4711
    hello
"""

from __future__ import annotations

import os

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorCore


class Echo(WebSocketServerProtocol):
    """
    Sends back what comes.
    """

    def onOpen(self) -> None:
        """
        Say who serves this client.
        """
        self.sendMessage(b"%d" % (os.getpid(),))

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        Send it back.
        """
        self.sendMessage(payload, isBinary)


async def main(reactor: IReactorCore) -> None:
    """
    Listen, and serve until stopped.
    """
    factory = WebSocketServerFactory()
    factory.protocol = Echo
    description = os.environ.get("ENDPOINT", "tcp:8080:interface=127.0.0.1")
    await serverFromString(reactor, description).listen(factory)
    await Deferred()
