"""
Starts other programs when a client connects, in the way that hands most on, and
tells the client what they had: their descriptors, and their environment's names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from twisted.internet.protocol import DatagramProtocol, Factory, Protocol

CHILD = """
import json, os
listed = []
for name in os.listdir("/proc/self/fd"):
    try:
        listed.append((int(name), os.readlink("/proc/self/fd/" + name)))
    except OSError:
        # The one with which the directory is read.
        pass
print(json.dumps({"descriptors": listed, "environment": sorted(os.environ)}))
"""


class Started(Protocol):
    """
    Starts one, and says what it had.
    """

    def connectionMade(self) -> None:
        """
        Start it with everything that is not close-on-exec.
        """
        assert self.transport is not None
        output = subprocess.run(
            [sys.executable, "-c", CHILD],
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        self.transport.write(json.dumps(json.loads(output)).encode())
        self.transport.loseConnection()


def main() -> None:
    """
    Listen on every kind of port.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    factory = Factory.forProtocol(Started)
    reactor.listenTCP(0, factory, interface="127.0.0.1")
    reactor.listenUNIX(sys.argv[1], factory)
    reactor.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    reactor.listenUNIXDatagram(sys.argv[1] + "-datagram", DatagramProtocol())
    reactor.run()


if __name__ == "__main__":
    main()
