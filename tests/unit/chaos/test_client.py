"""
Tests for L{tests.chaos.soak.client}.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak import client
from tests.chaos.soak.client import Load, read
from tests.chaos.soak.ledgers import Outcome, OutcomeLedger
from tests.chaos.soak.numbering import Manner, mannerOf

PLAIN = next(n for n in range(1000) if mannerOf(n) is Manner.PROMPT)
GREETED = next(n for n in range(1000) if mannerOf(n) is Manner.GREETED)


class ReadTests(SynchronousTestCase):
    """
    Tests for L{read}.
    """

    def test_answered(self) -> None:
        """
        The number and a worker's is the answer; where the server speaks first,
        after the greeting of the same worker.
        """
        self.assertEqual(read(PLAIN, b"%d 7\n" % PLAIN), (Outcome.ANSWERED, 7))
        self.assertEqual(
            read(GREETED, b"hello 7\n%d 7\n" % GREETED), (Outcome.ANSWERED, 7)
        )

    def test_closed(self) -> None:
        """
        Nothing, or a greeting alone, is no answer.
        """
        for number, answer in ((PLAIN, b""), (GREETED, b""), (GREETED, b"hello 7\n")):
            self.assertEqual(read(number, answer), (Outcome.CLOSED, 0))

    def test_wrong(self) -> None:
        """
        Everything else is wrong: another's number, two answers, two greetings, two
        workers, a greeting that is missing or that nobody expects.
        """
        for number, answer in (
            (PLAIN, b"%d 7\n" % (PLAIN + 1)),
            (PLAIN, b"%d 7\n%d 7\n" % (PLAIN, PLAIN)),
            (PLAIN, b"hello 7\n%d 7\n" % PLAIN),
            (PLAIN, b"hello 7\n"),
            (PLAIN, b"rubbish"),
            (GREETED, b"%d 7\n" % GREETED),
            (GREETED, b"hello 7\nhello 8\n%d 8\n" % GREETED),
            (GREETED, b"hello 7\n%d 8\n" % GREETED),
            (GREETED, b"hello 7\nhello 7\n"),
        ):
            self.assertEqual(read(number, answer), (Outcome.WRONG, 0), answer)


class LoadTests(SynchronousTestCase):
    """
    Tests for L{Load}, with a server that does what it must not.
    """

    def outcome(self, serve: Callable[[socket.socket], None] | None) -> Outcome:
        """
        @param serve: What to do with the connection; C{None} if there is nobody
            to listen.

        @return: What the client tells of it.
        """
        ledger = OutcomeLedger.create(Path(self.mktemp()), PLAIN + 1)
        self.addCleanup(ledger.close)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        output, told = os.pipe()
        self.addCleanup(os.close, output)
        with socket.socket() as port:
            port.bind(("127.0.0.1", 0))
            number = port.getsockname()[1]
            if serve is None:
                port.close()
            else:
                port.listen()
                thread = threading.Thread(target=self.serveOne, args=(port, serve))
                thread.start()
                self.addCleanup(thread.join)
            # There is no number after this one, and so no connection.
            load = Load(number, ledger, PLAIN, 1, told)
            os.close(writer)
            try:
                load.run(reader)
            finally:
                os.close(told)
        [*_, record] = ledger.records(PLAIN + 1)
        self.assertEqual(load.finished, 1)
        return record.outcome

    def serveOne(
        self, port: socket.socket, serve: Callable[[socket.socket], None]
    ) -> None:
        """
        Serve one connection.
        """
        connection, _ = port.accept()
        with connection:
            serve(connection)

    def test_answered(self) -> None:
        """
        An answer is an answer.
        """

        def serve(connection: socket.socket) -> None:
            connection.sendall(connection.recv(100).strip() + b" 3\n")

        self.assertEqual(self.outcome(serve), Outcome.ANSWERED)

    def test_closed(self) -> None:
        """
        The end without an answer is noticed.
        """

        def serve(connection: socket.socket) -> None:
            connection.recv(100)

        self.assertEqual(self.outcome(serve), Outcome.CLOSED)

    def test_reset(self) -> None:
        """
        So is a reset: here what was sent was not read.
        """

        def serve(connection: socket.socket) -> None:
            connection.recv(1)

        self.assertEqual(self.outcome(serve), Outcome.RESET)

    def test_refused(self) -> None:
        """
        So is nobody's listening.
        """
        self.assertEqual(self.outcome(None), Outcome.REFUSED)

    def test_hung(self) -> None:
        """
        So is a server that does nothing.
        """
        self.patch(client, "DEADLINE", 0.2)

        def serve(connection: socket.socket) -> None:
            received = b"something"
            while received:
                try:
                    received = connection.recv(100)
                except ConnectionResetError:
                    # The client has given up.
                    return

        self.assertEqual(self.outcome(serve), Outcome.HUNG)
