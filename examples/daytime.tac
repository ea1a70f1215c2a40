"""
The time of day (RFC 867), and who tells it: a C{.tac} file as one would write
it for a single process.  Where it listens is a setting of the deployment::

    $ ENDPOINT=tcp:8080:interface=127.0.0.1 twistd -n cluster --workers 4 daytime.tac

Whoever connects is told the time by one of the workers::

    $ curl --silent --max-time 5 telnet://127.0.0.1:8080 < /dev/zero
    ..., says process 4711
"""

from __future__ import annotations

import os
import time

from twisted.application import service, strports
from twisted.internet.protocol import Factory, Protocol


class Daytime(Protocol):
    """
    Tells the time and hangs up.
    """

    def connectionMade(self) -> None:
        """
        Somebody wants to know the time.
        """
        assert self.transport is not None
        answer = f"{time.asctime()}, says process {os.getpid()}\r\n"
        self.transport.write(answer.encode())
        self.transport.loseConnection()


endpoint = os.environ.get("ENDPOINT", "tcp:8080:interface=127.0.0.1")
application = service.Application("daytime")
listening = strports.service(endpoint, Factory.forProtocol(Daytime))
listening.setServiceParent(application)
