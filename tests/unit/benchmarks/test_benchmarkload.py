"""
Tests of L{benchmarks.load}.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from unittest import TestCase

from benchmarks.load import LoadResult, connectOften

EXPECTED = b"hello\n"

# Nobody waits for a connection for ever, should the client not make it.
GIVE_UP = 5.0


@contextmanager
def served(answers: list[Callable[[socket.socket], None]]) -> Iterator[int]:
    """
    Give one connection to each of these, which close it.

    @return: The port.
    """

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(GIVE_UP)
        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def say(*parts: bytes) -> Callable[[socket.socket], None]:
    """
    Answer with these, one after the other, and close.
    """

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in parts:
                connection.sendall(part)

    return answer


def reset(connection: socket.socket) -> None:
    """
    End the connection with a reset.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class LoadTests(TestCase):
    """
    Each connection is accounted for, once.
    """

    def test_answered(self) -> None:
        """
        All answers are read to the end, in however many parts they come.
        """
        with served([say(b"hello\n"), say(b"he", b"llo\n")] * 5) as port:
            result = connectOften(port, 10, 4)
        self.assertEqual(result.answers, {EXPECTED: 10})
        self.assertEqual(result.failures, {})
        self.assertEqual(result.errors(EXPECTED), {})
        self.assertEqual(result.connections, 10)

    def test_wrongAnswers(self) -> None:
        """
        A short, a long and a missing answer are errors.
        """
        with served([say(EXPECTED), say(b"hell"), say(b"hello\n\n"), say()]) as port:
            result = connectOften(port, 4, 1)
        self.assertEqual(
            result.errors(EXPECTED),
            {
                "answered b'hell'": 1,
                "answered b'hello\\n\\n'": 1,
                "answered b''": 1,
            },
        )

    def test_anyAnswer(self) -> None:
        """
        Where any answer will do, only none at all is an error.
        """
        with served([say(b"12\n"), say(b"13\n"), say()]) as port:
            result = connectOften(port, 3, 1)
        self.assertEqual(result.errors(None), {"answered b''": 1})

    def test_reset(self) -> None:
        """
        A connection that is reset is a failure, and no answer.
        """
        with served([say(EXPECTED), reset]) as port:
            result = connectOften(port, 2, 1)
        self.assertEqual(result.answers, {EXPECTED: 1})
        self.assertEqual(result.errors(EXPECTED), {"ECONNRESET": 1})

    def test_refused(self) -> None:
        """
        Connections that nobody accepts are failures.
        """
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            result = connectOften(bound.getsockname()[1], 3, 2)
        self.assertEqual(result.errors(EXPECTED), {"ECONNREFUSED": 3})
        self.assertEqual(result.answers, {})

    def test_noAnswerInTime(self) -> None:
        """
        The load ends though a server never answers.
        """
        with socket.create_server(("127.0.0.1", 0)) as silent:
            result = connectOften(silent.getsockname()[1], 3, 3, patience=0.05)
        self.assertEqual(result.errors(EXPECTED), {"no answer in time": 3})

    def test_concurrency(self) -> None:
        """
        As many connections are open at a time as asked for, and no more.
        """
        pending: list[socket.socket] = []

        def serve() -> None:
            together = [listener.accept()[0] for _ in range(3)]
            pending.extend(select.select([listener], [], [], 0)[0])
            for connection in together:
                say(EXPECTED)(connection)
            for _ in range(2):
                say(EXPECTED)(listener.accept()[0])

        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(GIVE_UP)
            thread = Thread(target=serve)
            thread.start()
            result = connectOften(listener.getsockname()[1], 5, 3)
            thread.join()
        self.assertEqual(result.answers, {EXPECTED: 5})
        self.assertEqual(pending, [])

    def test_rate(self) -> None:
        """
        The rate counts connections per second.
        """
        result = LoadResult(
            connections=10, seconds=2.0, clientCPU=1.0, answers={}, failures={}
        )
        self.assertEqual(result.rate, 5.0)
