"""
A program of which somebody else has got hold, in the first worker.

It listens on its port, as it always did.  Then it asks the primary for whatever it
can think of, and prints what came of it; the other workers serve.
"""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.amp import RemoteAmpError

from twisted_cluster._wire.toprimary import (
    GiveBack,
    Listen,
    StartTaking,
    StopTaking,
    listenArguments,
)
from twisted_cluster.errors import ListenRefused
from twisted_cluster.listening import ListenRequest, PortKind


class Answer(Protocol):
    """
    Says which process this is.
    """

    def connectionMade(self) -> None:
        """
        Say it.
        """
        assert self.transport is not None
        self.transport.write(b"%d\n" % os.getpid())
        self.transport.loseConnection()


class Attack:
    """
    What can be tried.
    """

    def __init__(self, reactor: Any) -> None:
        self._ports = reactor.primaryPorts

    def borrow(self, **request: Any) -> str:
        """
        Ask for a port.

        @return: What came of it: C{lent}, or the error.
        """
        try:
            loan = self._ports.borrow(ListenRequest(**request))
        except ListenRefused as e:
            return errno.errorcode[e.errno]
        os.close(loan.descriptor)
        return "lent"

    def otherLoans(self) -> None:
        """
        Give back, pause and resume what was lent to others.
        """
        for number in range(200):
            for leaving in (False, True):
                self._ports._query.ask(GiveBack, loan=number, leaving=leaving)
            self._ports._handoffs.tell(StartTaking, loan=number)
            self._ports._handoffs.tell(StopTaking, loan=number)

    def descriptors(self) -> Counter[str]:
        """
        Ask for each descriptor of the primary's, as each kind of port.
        """
        return Counter(
            self.borrow(kind=kind, descriptor=number)
            for number in range(3, 100)
            for kind in PortKind
        )

    def paths(self) -> list[str]:
        """
        Ask for paths that are not what they seem.
        """
        there = os.getcwd()
        return [
            self.borrow(kind=PortKind.UNIX, path=path.encode())
            for path in (
                f"{there}/../site/x",
                f"{there}/x\0.sock",
                "x.sock",
                f"{there}/linked.sock",
                f"{there}/file.sock",
            )
        ]

    def nonsense(self) -> list[str]:
        """
        Ask for what no port can be.

        @return: The primary's own words.
        """
        words = []
        plain = listenArguments(ListenRequest(kind=PortKind.TCP))
        for wrong in (
            {"kind": "kitchen"},
            {"port": 1 << 70},
            {"backlog": 1 << 70},
            {"descriptor": 1 << 70},
            {
                "kind": "unix",
                "path": os.getcwd().encode() + b"/a.sock",
                "mode": 1 << 70,
            },
            {"interface": "no.such.host.invalid"},
        ):
            try:
                answer = self._ports._query.ask(Listen, **{**plain, **wrong})
                words.append(f"{answer['errno']} {answer['reason']}")
            except RemoteAmpError as e:
                words.append(str(e))
        return words

    def flood(self) -> Counter[str]:
        """
        Ask for more ports than anybody needs.
        """
        return Counter(self.borrow(kind=PortKind.TCP) for _ in range(2000))


def main() -> None:
    """
    Listen, attack, and go on.
    """
    from twisted.internet import reactor as installed

    import twisted_cluster as cluster

    reactor: Any = installed
    assert cluster.worker is not None
    number = cluster.worker.id
    reactor.listenTCP(0, Factory.forProtocol(Answer), interface="127.0.0.1")

    def attack() -> None:
        attacking = Attack(reactor)
        attacking.otherLoans()
        came = {
            "descriptors": attacking.descriptors(),
            "paths": attacking.paths(),
            "nonsense": attacking.nonsense(),
            "flood": attacking.flood(),
        }
        print("came of it:", json.dumps(came))  # noqa: T201

    if number == 1:
        # When the others are there.
        reactor.callLater(2.0, attack)
    reactor.run()


if __name__ == "__main__":
    main()
