"""
A program whose clients tell its processes how to behave, and to misbehave.

Its first argument is the port.  With the second C{crash} each process ends soon
after it has come up; with C{ignore} it ignores SIGTERM.  It says its process id
to each client, and then takes a word from it.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Orders(LineReceiver):
    """
    Does what the client says.
    """

    delimiter = b"\n"

    def connectionMade(self) -> None:
        """
        Say who this is.
        """
        self.sendLine(b"%d" % os.getpid())

    def lineReceived(self, line: bytes) -> None:
        """
        Do it.
        """
        word, _, rest = line.decode().partition(" ")
        if word == "bye":
            assert self.transport is not None
            self.transport.loseConnection()
        elif word == "exit":
            os._exit(int(rest))
        elif word == "block":
            sys.stdout.write("blocking\n")
            sys.stdout.flush()
            while True:
                pass
        elif word == "users":
            identity = (os.getresuid(), os.getresgid(), os.getgroups())
            self.sendLine(repr(identity).encode())
        elif word == "reach":
            self.sendLine(" ".join(_reach(os.getppid())).encode())
        elif word == "write":
            sys.stdout.write(rest + "\n")
            sys.stderr.write(rest.upper() + "\n")


def _reach(primary: int) -> list[str]:
    """
    What this process can do with its primary.
    """
    reached = []
    for name, attempt in (
        ("signal", lambda: os.kill(primary, 0)),
        ("memory", lambda: os.open(f"/proc/{primary}/mem", os.O_RDWR)),
        ("descriptors", lambda: os.listdir(f"/proc/{primary}/fd")),
        ("environment", lambda: os.open(f"/proc/{primary}/environ", os.O_RDONLY)),
    ):
        try:
            attempt()
        except PermissionError:
            continue
        reached.append(name)
    return reached or ["nothing"]


def main() -> None:
    """
    Listen, and misbehave if that is wanted.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    misbehaviour = sys.argv[2:]
    if "ignore" in misbehaviour:
        # The reactor sets its own handler when it starts.
        reactor.callWhenRunning(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        reactor.callWhenRunning(print, "ignoring SIGTERM")
    if "crash" in misbehaviour:
        reactor.callLater(0, os._exit, 3)
    reactor.listenTCP(
        int(sys.argv[1]), Factory.forProtocol(Orders), interface="127.0.0.1"
    )
    reactor.run()


if __name__ == "__main__":
    main()
