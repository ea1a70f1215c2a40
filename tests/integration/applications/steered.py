"""
A program whose clients tell it what to do with its ports.

Every worker first tries to listen on the port that is its argument, and on
two that the kernel chooses.  Each line of a client is a command, for the
worker that the connection came to; each answer is one line of JSON.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.basic import LineReceiver


class PID(Protocol):
    """
    Says which process it is in, and leaves the connection open.
    """

    def connectionMade(self) -> None:
        """
        Say it.
        """
        assert self.transport is not None
        self.transport.write(b"%d\n" % os.getpid())


class Watched(Factory):
    """
    Counts how often it is started and stopped.
    """

    protocol = PID

    def __init__(self) -> None:
        self.happened: list[str] = []

    def startFactory(self) -> None:
        """
        It is used from now on.
        """
        self.happened.append("start")

    def stopFactory(self) -> None:
        """
        It is not used any more.
        """
        self.happened.append("stop")


class Ports:
    """
    What can be done with ports.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._ports: dict[int, Any] = {}
        self._factories: dict[int, Watched] = {}

    def listen(self, number: int) -> Any:
        """
        Listen on a port, on the loopback interface.

        @return: Its number; or what was wrong.
        """
        factory = Watched()
        try:
            port = self._reactor.listenTCP(number, factory, interface="127.0.0.1")
        except CannotListenError as e:
            return [type(e).__name__, errno.errorcode[e.socketError.errno]]
        return self._keep(port, factory)

    def listenAlone(self, number: int) -> int:
        """
        Listen on a port of this process's own, beside others like it.
        """
        from twisted.internet.tcp import makeBinding

        factory = Watched()
        binding = makeBinding("127.0.0.1", number, reusePort=True)
        return self._keep(self._reactor.listenTCP(binding, factory), factory)

    def _keep(self, port: Any, factory: Watched) -> int:
        number: int = port.getHost().port
        self._ports[number] = port
        self._factories[number] = factory
        return number

    def close(self, number: int) -> Deferred[Any]:
        """
        Stop listening.
        """
        closed: Deferred[Any] = self._ports.pop(number).stopListening()
        return closed.addCallback(lambda _: "closed")

    def closeAndListen(self, number: int) -> Deferred[Any]:
        """
        Stop listening, and listen again as soon as that is said to be done.
        """
        return self.close(number).addCallback(lambda _: self.listen(number))

    def pause(self, number: int) -> str:
        """
        Accept no connections for now.
        """
        self._ports[number].pauseProducing()
        return "paused"

    def resume(self, number: int) -> str:
        """
        Accept connections again.
        """
        self._ports[number].resumeProducing()
        return "resumed"

    def factory(self, number: int) -> list[str]:
        """
        What happened to a port's factory.
        """
        return self._factories[number].happened

    def pid(self) -> int:
        """
        This process.
        """
        return os.getpid()


class Steering(LineReceiver):
    """
    Carries out what its client says: not on the client's behalf, but a little
    later, as other parts of a program would; unless C{now} comes first.
    """

    delimiter = b"\n"
    factory: Any

    def lineReceived(self, line: bytes) -> None:
        """
        A command with its numbers.
        """
        words = line.decode().split()
        if words[0] == "now":
            self.do(*words[1:])
        else:
            self.factory.reactor.callLater(0, self.do, *words)

    def do(self, name: str, *numbers: str) -> None:
        """
        Do it, and say what came of it.
        """
        result = getattr(self.factory.ports, name)(*map(int, numbers))
        deferred = result if isinstance(result, Deferred) else succeed(result)
        deferred.addCallback(lambda answer: self.sendLine(json.dumps(answer).encode()))


class SteeringFactory(Factory):
    """
    Gives its clients the ports.
    """

    protocol = Steering

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.ports = Ports(reactor)


def main() -> None:
    """
    Run until it is stopped.
    """
    from twisted.internet import reactor

    server: Any = reactor
    steering = SteeringFactory(server)
    server.listenTCP(0, steering, interface="127.0.0.1")
    early = [steering.ports.listen(number) for number in (int(sys.argv[1]), 0, 0)]
    print("tried before it runs:", json.dumps(early))  # noqa: T201
    server.run()


if __name__ == "__main__":
    main()
