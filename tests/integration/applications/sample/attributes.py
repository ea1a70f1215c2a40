"""
The same, as each kind of attribute that can be named on the command line.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.application.internet import TCPServer
from twisted.application.service import Application, MultiService
from twisted.internet.protocol import Factory

from .program import WhoAmI

service = MultiService()
TCPServer(0, Factory.forProtocol(WhoAmI), interface="127.0.0.1").setServiceParent(
    service
)

application = Application("sample")
TCPServer(0, Factory.forProtocol(WhoAmI), interface="127.0.0.1").setServiceParent(
    application
)


def start(reactor: Any) -> None:
    """
    Listen; somebody else runs the reactor.
    """
    port = int(os.environ.get("PORT", "0"))
    reactor.listenTCP(port, Factory.forProtocol(WhoAmI), interface="127.0.0.1")


async def startLater(reactor: Any) -> None:
    """
    Listen in a coroutine, on an endpoint.
    """
    from twisted.internet.endpoints import serverFromString

    endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
    await endpoint.listen(Factory.forProtocol(WhoAmI))


number = 42
