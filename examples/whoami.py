"""
A web resource that tells which process answers, and whom.

It does not say where to listen, so the command does::

    $ twistd -n cluster --workers 4 --listen tcp:8080:interface=127.0.0.1 whoami:resource

The connections go round the workers, and each sees its client's own address::

    $ curl --silent http://127.0.0.1:8080/ http://127.0.0.1:8080/
    process 4711 answers 127.0.0.1:50312
    process 4711 answers 127.0.0.1:50312
    $ curl --silent http://127.0.0.1:8080/
    process 4712 answers 127.0.0.1:50314
"""

from __future__ import annotations

import os

from twisted.internet.address import IPv4Address
from twisted.web.resource import Resource
from twisted.web.server import Request


class WhoAmI(Resource):
    """
    Tells which process answers, and whom.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Say it in one line.
        """
        peer = request.getClientAddress()
        assert isinstance(peer, IPv4Address)
        request.setHeader("Content-Type", "text/plain")
        return f"process {os.getpid()} answers {peer.host}:{peer.port}\n".encode()


resource = WhoAmI()
