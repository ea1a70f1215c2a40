"""
Tests of L{twisted_cluster._run.child}; of what it does to its own process, in
processes of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from unittest import TestCase

from twisted.trial.unittest import SynchronousTestCase

from tests.unit._run.scratch import scratchDirectory
from twisted_cluster._reactor.handofftransport import handoffPair
from twisted_cluster._reactor.spawning import CHANNELS_VARIABLE, WORKER_VARIABLE
from twisted_cluster._run.child import channelsFromEnvironment
from twisted_cluster._run.orders import ProgramKind, WorkerOrders
from twisted_cluster._wire.boxes import BoxReader, serialize
from twisted_cluster._wire.toprimary import WIRE_VERSION
from twisted_cluster.errors import NotAWorker

PROGRAM = """
import json, os, sys
print(json.dumps({
    "argv": sys.argv[1:],
    "markers": [n for n in os.environ if n.startswith("TWISTED_CLUSTER")],
    "group": os.getpgid(0) == os.getpid(),
    "inherited": [
        int(n) for n in os.listdir("/proc/self/fd")
        if int(n) > 2 and os.path.exists("/proc/self/fd/" + n)
        and os.get_inheritable(int(n))
    ],
    "reactor": "twisted.internet.reactor" in sys.modules,
}))
"""

TIMEOUT = 30


class ChannelsTests(SynchronousTestCase):
    """
    Tests of L{channelsFromEnvironment}.
    """

    def test_channels(self) -> None:
        """
        The channels are those that the environment names, are not inherited any
        further, and their names are gone from the environment.
        """
        ours, theirs = zip(
            socket.socketpair(), socket.socketpair(), handoffPair(), strict=True
        )
        numbers = [end.detach() for end in theirs]
        for number in numbers:
            os.set_inheritable(number, True)
        self.patch(
            os,
            "environ",
            {CHANNELS_VARIABLE: ",".join(map(str, numbers)), WORKER_VARIABLE: "7"},
        )
        channels = channelsFromEnvironment()
        self.assertEqual(os.environ, {})
        ends = (channels.stream, channels.query, channels.handoff)
        for channel, other in zip(ends, ours, strict=True):
            self.addCleanup(channel.close)
            self.addCleanup(other.close)
            self.assertFalse(channel.get_inheritable())
            other.send(b"x")
            self.assertEqual(channel.recv(1), b"x")

    def test_noWorker(self) -> None:
        """
        A process that no primary started is no worker.
        """
        self.patch(os, "environ", {})
        self.assertRaises(NotAWorker, channelsFromEnvironment)


class ProcessTests(TestCase):
    """
    The module as it is run.
    """

    def start(self, *words: str) -> tuple[subprocess.Popen[str], socket.socket]:
        """
        Start it as a primary does.

        @return: The process, and our end of its query channel.
        """
        stream, theirStream = socket.socketpair()
        query, theirQuery = socket.socketpair()
        handoff, theirHandoff = handoffPair()
        query.settimeout(TIMEOUT)
        for ours in (stream, query, handoff):
            self.addCleanup(ours.close)
        with theirStream, theirQuery, theirHandoff:
            numbers = [end.fileno() for end in (theirStream, theirQuery, theirHandoff)]
            process = subprocess.Popen(
                [sys.executable, "-m", "twisted_cluster._run.child", *words],
                env={
                    **os.environ,
                    CHANNELS_VARIABLE: ",".join(map(str, numbers)),
                    WORKER_VARIABLE: "1",
                },
                pass_fds=numbers,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, query

    def answer(self, query: socket.socket, version: int) -> dict[bytes, bytes]:
        """
        Answer the announcement.

        @return: The announcement.
        """
        reader = BoxReader()
        while True:
            data = query.recv(65536)
            self.assertTrue(data, "the worker closed its channel")
            for box in reader.feed(data):
                answer = {
                    b"_answer": box[b"_ask"],
                    b"wireVersion": b"%d" % version,
                    b"worker": b"1",
                    b"serialization": b"json",
                }
                query.send(serialize(answer))
                return box

    def test_byHand(self) -> None:
        """
        Run by hand it says that this is not how, and fails.
        """
        result = subprocess.run(
            [sys.executable, "-m", "twisted_cluster._run.child"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        self.assertEqual(result.returncode, 1)
        self.assertIn("use `twistd cluster`", result.stdout)
        self.assertNotIn("Traceback", result.stdout)

    def test_surroundings(self) -> None:
        """
        The program runs when the primary has answered, as if alone: with its
        own arguments, without what made its process a worker; in a process
        group of its own, which a terminal's signals do not reach.
        """
        path = os.path.join(scratchDirectory(self), "site.py")
        with open(path, "w") as file:
            file.write(PROGRAM)
        orders = WorkerOrders(kind=ProgramKind.SCRIPT, program=(path, "--port", "80"))
        process, query = self.start(*orders.toWords())
        self.assertEqual(self.answer(query, WIRE_VERSION)[b"_command"], b"Announce")
        output, errors = process.communicate(timeout=TIMEOUT)
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assertEqual(
            json.loads(output),
            {
                "argv": ["--port", "80"],
                "markers": [],
                "group": True,
                "inherited": [],
                "reactor": False,
            },
        )

    def test_otherRelease(self) -> None:
        """
        A primary of another release is one line, and no traceback.
        """
        process, query = self.start("script", "--", "site.py")
        self.answer(query, version=999)
        output, errors = process.communicate(timeout=TIMEOUT)
        self.assertEqual((process.returncode, output), (1, ""))
        self.assertEqual(len(errors.splitlines()), 1)
        self.assertIn("restart the primary", errors)

    def test_primaryGone(self) -> None:
        """
        A primary that is gone at once is one line, and no traceback.
        """
        process, query = self.start("script", "--", "site.py")
        query.close()
        _, errors = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(len(errors.splitlines()), 1)
        self.assertIn("the primary is gone", errors)
