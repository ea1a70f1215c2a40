"""
Two processes that send a message back and forth on a channel like the one between
a primary and a worker.

Usage: messages.py SERIALIZATION OUTSTANDING SIZE COUNT

Prints JSON: how many seconds COUNT round trips took with OUTSTANDING of them
under way, and how many seconds of processor time this process used.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

from twisted.internet import reactor  # noqa: TID253
from twisted.python.failure import Failure

from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.serialization import codecNamed


class Channel(MessagingChannel):
    """
    One end.
    """

    def channelLost(self, reason: Failure) -> None:
        """
        The other process is done.
        """
        if reactor.running:
            reactor.stop()


def open(end: socket.socket, serialization: str) -> Channel:
    """
    An end on the reactor.
    """
    channel = Channel(codecNamed(serialization))
    DescriptorTransport(reactor, end, channel).open()
    return channel


def echo(descriptor: int, serialization: str) -> None:
    """
    The other process.
    """
    channel = open(socket.socket(fileno=descriptor), serialization)
    channel.receiveMessages(lambda message, handle: channel.sendMessage(message))
    reactor.run()


def measure(serialization: str, outstanding: int, size: int, count: int) -> None:
    """
    This process.
    """
    ours, theirs = socket.socketpair()
    with subprocess.Popen(
        [sys.executable, __file__, "--echo", str(theirs.fileno()), serialization],
        pass_fds=[theirs.fileno()],
    ):
        theirs.close()
        channel = open(ours, serialization)
        message = {"n": 1, "s": "x" * size}
        received = 0
        begun = used = 0.0

        def begin(ready: object) -> None:
            nonlocal begun, used
            channel.receiveMessages(receive)
            begun, used = time.monotonic(), time.process_time()
            for _ in range(outstanding):
                channel.sendMessage(message)

        def receive(message_: object, handle: object) -> None:
            nonlocal received
            received += 1
            if received == count:
                seconds = time.monotonic() - begun
                cpuSeconds = time.process_time() - used
                print(json.dumps({"seconds": seconds, "cpuSeconds": cpuSeconds}))
                reactor.stop()
            elif received <= count - outstanding:
                channel.sendMessage(message)

        # Delivered as soon as the other process runs.
        reactor.callWhenRunning(lambda: channel.ask(None).addBoth(begin))
        reactor.run()
        ours.close()


if __name__ == "__main__":
    if sys.argv[1] == "--echo":
        echo(int(sys.argv[2]), sys.argv[3])
    else:
        measure(sys.argv[1], *map(int, sys.argv[2:]))
