"""
A program whose clients have its processes write what they like on their channels.

It says its process id to each client, and takes lines from it.  The argument is the
port.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.amp import COMMAND
from twisted.protocols.basic import LineReceiver

from twisted_cluster._wire.boxes import serialize
from twisted_cluster._wire.messaging import Messages
from twisted_cluster._wire.toprimary import Running


def channels() -> Iterator[socket.socket]:
    """
    This process's sockets without a name, by their numbers: the channels.
    """
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            found = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if found.family == socket.AF_UNIX and not found.getsockname():
            yield found
        else:
            found.close()


def say(channel: socket.socket, what: str) -> None:
    """
    Write something that no peer should.
    """
    if what == "garbage":
        channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
    elif what == "empty":
        channel.sendall(b"\0\0")
    elif what == "oversized":
        for number in range(17):
            channel.sendall(struct.pack("!HBH", 1, number, 65535) + bytes(65535))
    elif what == "descriptors":
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 200))
        box = serialize({COMMAND: Running.commandName})
        channel.sendmsg([box], [rights])
    elif what == "truncated":
        channel.sendall(
            serialize({COMMAND: Running.commandName, b"x": bytes(99)})[:-50]
        )
        os._exit(0)


def flood(channel: socket.socket, seconds: float) -> None:
    """
    Write messages without end, whatever the window, and read nothing.
    """
    content = b'"%s"' % (b"x" * 998)
    box = serialize(
        {
            COMMAND: Messages.commandName,
            b"parts": struct.pack("!50Q", *[len(content)] * 50),
            b"content": content * 50,
        }
    )
    sent = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        channel.sendall(box)
        sent += 1
    sys.stdout.write(f"sent {sent * 50} messages\n")
    sys.stdout.flush()


class Orders(LineReceiver):
    """
    Does what the client says.
    """

    delimiter = b"\n"
    factory: Any

    def connectionMade(self) -> None:
        """
        Say who this is.
        """
        self.sendLine(b"%d" % os.getpid())

    def lineReceived(self, line: bytes) -> None:
        """
        Do it: on which channel, what, and whether this process reads nothing more.
        """
        words = line.decode().split()
        if words == ["bye"]:
            assert self.transport is not None
            self.transport.loseConnection()
        elif words[1] == "flood":
            # Clients that it keeps waiting would prove nothing.
            closed = self.factory.port.stopListening()
            closed.addCallback(lambda _: self.write(words))
        else:
            self.write(words)

    def write(self, words: list[str]) -> None:
        """
        Write on a channel.
        """
        found = list(channels())
        channel = found[int(words[0])]
        channel.setblocking(True)
        if words[1] == "flood":
            flood(channel, 2.0)
        else:
            say(channel, words[1])
        channel.setblocking(False)
        for one in found:
            one.close()
        if "deaf" in words:
            while True:
                time.sleep(60)


def main() -> None:
    """
    Serve.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    factory: Any = Factory.forProtocol(Orders)
    factory.port = reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
