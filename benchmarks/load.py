"""
The client of the benchmarks: many short connections, a given number at a time.

One process, one epoll, plain sockets: it costs the same whatever is measured,
and it checks what each connection was answered.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import Counter
from collections.abc import Mapping

from attrs import Factory, define, frozen

# Nothing at all happened for so long: what is still open counts as failed.
PATIENCE = 10.0

_AS_MUCH_AS_IS_THERE = 65536


@frozen(kw_only=True)
class LoadResult:
    """
    What became of the connections of one load.

    @ivar connections: How many were tried.
    @ivar seconds: From the first connect to the end of the last connection.
    @ivar clientCPU: The client's own processor time, in seconds.
    @ivar answers: What the connections read before the server closed them,
        and how often.
    @ivar failures: How connections failed (C{"ECONNRESET"}, C{"no answer in
        time"}, ...), and how often.
    """

    connections: int
    seconds: float
    clientCPU: float
    answers: Mapping[bytes, int]
    failures: Mapping[str, int]

    @property
    def rate(self) -> float:
        """
        Connections per second.
        """
        return self.connections / self.seconds

    def errors(self, expected: bytes | None) -> dict[str, int]:
        """
        Everything that did not go as it should, and how often; empty if each
        connection was answered right.

        @param expected: The only right answer; C{None} if any answer that is
            not empty will do.
        """
        errors = dict(self.failures)
        for answer, count in self.answers.items():
            if not answer if expected is None else answer != expected:
                errors[f"answered {answer!r}"] = count
        return errors


@define
class _Load:
    """
    A load on its way.
    """

    port: int
    epoll: select.epoll
    sockets: dict[int, socket.socket] = Factory(dict)
    received: dict[int, bytes] = Factory(dict)
    answers: Counter[bytes] = Factory(Counter)
    failures: Counter[str] = Factory(Counter)

    def open(self) -> None:
        """
        Begin one connection.
        """
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.setblocking(False)
        refusal = client.connect_ex(("127.0.0.1", self.port))
        if refusal not in (0, errno.EINPROGRESS):
            self.failures[errno.errorcode[refusal]] += 1
            client.close()
            return
        descriptor = client.fileno()
        self.sockets[descriptor] = client
        self.epoll.register(descriptor, select.EPOLLIN)

    def read(self, descriptor: int) -> None:
        """
        Read what is there, and account for the connection if it is at its end.
        """
        client = self.sockets[descriptor]
        try:
            while data := client.recv(_AS_MUCH_AS_IS_THERE):
                self.received[descriptor] = self.received.get(descriptor, b"") + data
        except BlockingIOError:
            return
        except OSError as e:
            self.received.pop(descriptor, None)
            self.failures[errno.errorcode.get(e.errno or 0, str(e))] += 1
        else:
            self.answers[self.received.pop(descriptor, b"")] += 1
        del self.sockets[descriptor]
        client.close()

    def abandon(self) -> None:
        """
        Count whatever is still open as failed.
        """
        for client in self.sockets.values():
            self.failures["no answer in time"] += 1
            client.close()
        self.sockets.clear()


def connectOften(
    port: int, connections: int, concurrency: int, patience: float = PATIENCE
) -> LoadResult:
    """
    Connect to C{127.0.0.1}, read until the server closes, close; and so on.

    @param connections: How many connections to make.
    @param concurrency: How many of them to have open at any time.
    @param patience: For how many seconds nothing may happen at all.
    """
    load = _Load(port, select.epoll())
    started = 0
    before = time.process_time()
    begun = time.perf_counter()
    while started < connections or load.sockets:
        while started < connections and len(load.sockets) < concurrency:
            load.open()
            started += 1
        if not load.sockets:
            break
        happened = load.epoll.poll(patience)
        if not happened:
            load.abandon()
        for descriptor, _ in happened:
            load.read(descriptor)
    seconds = time.perf_counter() - begun
    used = time.process_time() - before
    load.epoll.close()
    return LoadResult(
        connections=connections,
        seconds=seconds,
        clientCPU=used,
        answers=load.answers,
        failures=load.failures,
    )
