"""
What C{--bind ENDPOINT} asks the primary to open before any worker runs.

A description is given to Twisted's own parser, together with something that
looks like a reactor but only writes down what it is asked to listen on.  So
every kind of endpoint that ends in TCP or UNIX ports is understood, plugins'
too, and nothing is opened.
"""

from __future__ import annotations

import os
import re
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IReactorSSL,
    IReactorTCP,
    IReactorUNIX,
)
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.listening import ListenRequest, PortKind

_ADVICE = "write for example tcp:80, tcp6:80 or unix:/run/site.sock"


def parseBinding(description: str, directory: str) -> ListenRequest:
    """
    Read the description of an endpoint.

    @param directory: What a relative path is relative to.

    @raise ConfigurationError: if it is not understood, or opens no port that
        can be shared with workers.
    """
    recorder = PortRecorder(directory)
    failures: list[Failure] = []
    try:
        endpoint = serverFromString(cast(Any, recorder), _withoutKeys(description))
        listening: Deferred[IListeningPort] = endpoint.listen(Factory())
        listening.addErrback(failures.append)
        if failures:
            failures[0].raiseException()
    except Exception as problem:
        raise ConfigurationError(
            f"cannot bind {description!r}: {_inWords(problem)}; {_ADVICE}"
        ) from problem
    if len(recorder.requests) != 1:
        raise ConfigurationError(
            f"cannot bind {description!r}: it is no TCP or UNIX port; {_ADVICE}"
        )
    return recorder.requests[0]


def _inWords(problem: Exception) -> str:
    return str(problem) or type(problem).__name__


_OVER_TLS = {
    "ssl": (
        "tcp",
        ("port", "privateKey", "certKey", "sslmethod", "interface", "backlog"),
    ),
    "tls": ("tcp6", ("path", "port", "backlog", "interface")),
}
"""
The kinds of endpoint that read keys, what each is without them, and the order
of its parameters.
"""


def _withoutKeys(description: str) -> str:
    """
    Describe the port below an endpoint that speaks TLS: that is the workers'
    business, and the primary need not be able to read their keys.
    """
    kind, *words = re.split(r"(?<!\\):", description)
    if kind not in _OVER_TLS:
        return description
    plain, order = _OVER_TLS[kind]
    named = {"port": "443"} if kind == "tls" else {}
    positions = iter(order)
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            named[name] = value
        else:
            named[next(positions, "")] = name
    return ":".join(
        [plain]
        + [
            f"{name}={named[name]}"
            for name in ("port", "backlog", "interface")
            if name in named
        ]
    )


@implementer(IListeningPort)
class _NoPort:
    """
    What the recorder gives for a port.
    """

    def startListening(self) -> None:
        """
        There is nothing to start.
        """

    def stopListening(self) -> None:
        """
        There is nothing to stop.
        """

    def getHost(self) -> IAddress:
        """
        There is no address, as nothing is open.
        """
        raise ConfigurationError("this port was only described")


class PortRecorder:
    """
    A reactor that writes down what it is asked to listen on.

    @ivar requests: What that was, in order.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        # The classes of those reactors also connect, which nobody who listens
        # asks for: so not the class, but each of its objects says it is one.
        directlyProvides(self, IReactorTCP, IReactorSSL, IReactorUNIX)
        self.requests: list[ListenRequest] = []

    def listenTCP(
        self, port: int, factory: object, backlog: int = 50, interface: str = ""
    ) -> _NoPort:
        """
        Write down a TCP port.
        """
        return self._record(
            ListenRequest(
                kind=PortKind.TCP, port=port, interface=interface, backlog=backlog
            )
        )

    def listenSSL(
        self,
        port: int,
        factory: object,
        contextFactory: object,
        backlog: int = 50,
        interface: str = "",
    ) -> _NoPort:
        """
        Write down a TCP port: the workers do the TLS.
        """
        return self.listenTCP(port, factory, backlog, interface)

    def listenUNIX(
        self,
        address: str | bytes,
        factory: object,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool = False,
    ) -> _NoPort:
        """
        Write down a UNIX port, with its whole path.
        """
        path = os.fsencode(address)
        if not path.startswith(b"\0"):
            path = os.path.abspath(os.path.join(os.fsencode(self._directory), path))
        return self._record(
            ListenRequest(
                kind=PortKind.UNIX,
                path=path,
                backlog=backlog,
                mode=mode,
                wantPID=bool(wantPID),
            )
        )

    def _record(self, request: ListenRequest) -> _NoPort:
        self.requests.append(request)
        return _NoPort()
