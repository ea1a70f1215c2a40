"""
Tests of L{twisted_cluster._reactor.handofftransport}.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys

from twisted.internet.error import ConnectionLost
from zope.interface.verify import verifyObject

from tests.unit.realreactor import RealReactorTestCase, openDescriptors
from tests.unit.testing.descriptortransports import Recorder, inode
from twisted_cluster._reactor.descriptortransport import receive
from twisted_cluster._reactor.handofftransport import HandoffTransport, handoffPair
from twisted_cluster.interfaces import IHandoffTransport

PACKETS = 200
TIMES = 50

WORKER = """
import socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
channel.setblocking(True)
channel.send(b"up")
while (packet := channel.recv(100)) != b"end":
    print(int(packet[:-10]))
"""


class HandoffTransportTests(RealReactorTestCase):
    """
    Tests of L{HandoffTransport}.  The worker's end is a bare socket, which the test
    reads as a worker does.
    """

    def setUp(self) -> None:
        """
        Connect a transport.
        """
        super().setUp()
        ours, theirs = handoffPair()
        self.worker = socket.socket(fileno=os.dup(theirs.fileno()))
        self.worker.setblocking(False)
        self.addCleanup(self.worker.close)
        self.protocol = Recorder()
        self.transport = HandoffTransport(self.reactor, ours, theirs, self.protocol)
        self.transport.open()
        self.addCleanup(self.close)
        self.descriptor = self.aDescriptor()
        self.sent = 0

    def close(self) -> None:
        """
        Close the transport.
        """
        self.transport.abortConnection()
        self.turn()

    def read(self) -> bytes | None:
        """
        The worker reads once.

        @return: The packet; C{None} if there is none.
        """
        try:
            data, descriptors = receive(self.worker)
        except BlockingIOError:
            return None
        for descriptor in descriptors or ():
            os.close(descriptor)
        return data

    def readAll(self) -> list[bytes]:
        """
        The worker reads all that there is for it.
        """
        packets: list[bytes] = []
        while (packet := self.read()) is not None:
            packets.append(packet)
        return packets

    def send(self, count: int, size: int = 10) -> list[bytes]:
        """
        Send packets, each with a descriptor.
        """
        packets = []
        for _ in range(count):
            self.sent += 1
            packets.append(b"%d" % self.sent + bytes(size))
            self.transport.writeWithDescriptors(packets[-1], [self.descriptor])
        return packets

    def test_interface(self) -> None:
        """
        It provides the interface.
        """
        verifyObject(IHandoffTransport, self.transport)

    def test_packets(self) -> None:
        """
        What is written at once is read at once, with its descriptors, and never
        together with anything else; in both directions.
        """
        descriptor = self.aDescriptor()
        self.transport.write(b"one")
        self.transport.writeWithDescriptors(b"two", [descriptor])
        self.assertEqual(receive(self.worker), (b"one", None))
        data, group = receive(self.worker)
        assert group is not None
        self.addCleanup(os.close, group[0])
        self.assertEqual((data, [*map(inode, group)]), (b"two", [inode(descriptor)]))
        self.worker.send(b"three")
        self.worker.send(b"four")
        self.turnUntil(lambda: len(self.protocol.chunks) == 2)
        self.assertEqual(self.protocol.chunks, [5, 4])

    def test_takeBack(self) -> None:
        """
        What the worker has not read can be taken back, in the order in which it was
        sent; then there is nothing for the worker to read.
        """
        packets = self.send(5)
        self.assertEqual([self.read(), self.read()], packets[:2])
        self.assertEqual(self.transport.takeBack(), packets[2:])
        self.assertEqual((self.readAll(), self.transport.takeBack()), ([], []))

    def test_takeBackFromWaiting(self) -> None:
        """
        Taking back never waits, though the worker may read in a way that does: its
        end and ours of it are the same for the kernel.
        """
        self.worker.setblocking(True)
        packets = self.send(2)
        self.assertEqual(self.transport.takeBack(), packets)

    def test_takeBackAllRead(self) -> None:
        """
        What it has read is not taken back, whether or not it has answered.
        """
        packets = self.send(3)
        self.assertEqual(self.readAll(), packets)
        self.assertEqual(self.transport.takeBack(), [])

    def test_takeBackUnsent(self) -> None:
        """
        What the kernel had no room for is taken back, too, and not sent later.
        """
        packets = self.send(PACKETS, size=5000)
        self.assertGreater(self.transport.unsent, 0)
        [first] = [self.read()]
        self.assertEqual(first, packets[0])
        self.assertEqual(self.transport.takeBack(), packets[1:])
        self.assertEqual(self.transport.unsent, 0)
        self.turn()
        self.assertEqual(self.readAll(), [])
        self.transport.write(b"next")
        self.turn()
        self.assertEqual(self.readAll(), [b"next"])

    def test_descriptors(self) -> None:
        """
        The duplicates of the descriptors that were sent are gone with what is taken
        back: nobody else has them open then, and neither has this process.
        """
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        before = openDescriptors()
        self.transport.writeWithDescriptors(b"end of a pipe", [writer])
        os.close(writer)
        self.assertEqual(self.transport.takeBack(), [b"end of a pipe"])
        self.assertEqual(openDescriptors(), before - {writer})
        # The end of the file; were it open anywhere, this would raise.
        os.set_blocking(reader, False)
        self.assertEqual(os.read(reader, 1), b"")

    def exactlyOnce(
        self, read: set[bytes], back: set[bytes], sent: list[bytes]
    ) -> None:
        """
        Everything is with one of the two.
        """
        self.assertEqual(read & back, set())
        self.assertEqual(read | back, set(sent))

    def test_alternately(self) -> None:
        """
        Whatever is sent, read and taken back in turns, each packet is read by the
        worker or taken back, and never both; also while more is sent than the
        kernel has room for.
        """
        source = random.Random(4711)
        for size, burst in ((10, 9), (9000, 60)):
            packets: list[bytes] = []
            read: list[bytes] = []
            back: list[bytes] = []
            while len(packets) < 10 * PACKETS:
                packets += self.send(source.randrange(burst), size)
                for _ in range(source.randrange(6)):
                    packet = self.read()
                    if packet is not None:
                        read.append(packet)
                if source.randrange(2):
                    self.turn()
                if not source.randrange(4):
                    back += self.transport.takeBack()
            while self.transport.unsent:
                self.turn()
                read += self.readAll()
            read += self.readAll()
            self.assertGreater(min(len(read), len(back)), PACKETS / 10)
            self.assertEqual(len(read) + len(back), len(packets))
            self.exactlyOnce(set(read), set(back), packets)

    def test_together(self) -> None:
        """
        The same if a process reads while this one takes back.
        """
        number = self.worker.fileno()
        with subprocess.Popen(
            [sys.executable, "-S", "-c", WORKER, str(number)],
            stdout=subprocess.PIPE,
            pass_fds=[number],
        ) as process:
            # It has come up.
            self.turnUntil(lambda: self.protocol.data)
            packets: list[bytes] = []
            back: list[bytes] = []
            for round_ in range(TIMES):
                packets += self.send(PACKETS)
                # Sometimes at once, sometimes when it is about to have read all.
                for _ in range(round_ % 10):
                    self.turn()
                back += self.transport.takeBack()
            self.transport.write(b"end")
            output, _ = process.communicate(timeout=30)
        read = [packets[int(number) - 1] for number in output.split()]
        self.assertGreater(min(len(read), len(back)), 0)
        self.assertEqual(len(read) + len(back), TIMES * PACKETS)
        self.exactlyOnce(set(read), set(back), packets)

    def test_workerEnds(self) -> None:
        """
        The end of the worker is not the end of this channel: what it wrote can be
        read, and what it did not read taken back.
        """
        packets = self.send(3)
        self.read()
        self.worker.send(b"last words")
        self.worker.close()
        self.transport.readToTheEnd()
        self.assertEqual(self.protocol.data, b"last words")
        self.turn()
        self.assertEqual(self.protocol.reasons, [])
        self.assertEqual(self.transport.takeBack(), packets[1:])

    def test_closed(self) -> None:
        """
        When it is closed here, the worker sees the end of the channel; nothing can
        be taken back, and closing it again does nothing.
        """
        self.send(3)
        self.transport.abortConnection()
        self.turnUntil(lambda: self.protocol.reasons)
        self.protocol.reasons[0].trap(ConnectionLost)
        self.assertEqual(self.transport.takeBack(), [])
        self.assertEqual(len(self.readAllToTheEnd()), 3)
        self.transport.abortConnection()
        self.turn()
        self.assertEqual(len(self.protocol.reasons), 1)

    def readAllToTheEnd(self) -> list[bytes]:
        """
        What the worker reads before the end of the channel.
        """
        packets = []
        while packet := self.read():
            packets.append(packet)
        self.assertEqual(packet, b"")
        return packets
