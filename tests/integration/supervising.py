"""
A cluster of the supervised program, and its clients.
"""

from __future__ import annotations

import select
from collections.abc import Iterable, Sequence

from typing_extensions import Self

from tests.integration.asking import connect
from tests.integration.running import RunningCluster


class Client:
    """
    A connection to one of the workers.
    """

    def __init__(self, port: int) -> None:
        self._socket = connect(port)
        self._lines = self._socket.makefile("rb")

    def hear(self) -> str:
        """
        The next line; empty if there is none any more.
        """
        try:
            return self._lines.readline().decode().strip()
        except ConnectionResetError:
            return ""

    def meet(self) -> int | None:
        """
        Hear who it is: the worker's process id, or C{None} if the connection
        ended before the worker said anything.
        """
        name = self.hear()
        return int(name) if name else None

    def order(self, words: str) -> None:
        """
        Tell the worker what to do.
        """
        self._socket.sendall(words.encode() + b"\n")

    def close(self) -> None:
        """
        Leave.
        """
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


def supervised(
    *misbehaviour: str,
    workers: int = 2,
    options: Iterable[str] = (),
    port: int = 0,
    **surroundings: object,
) -> RunningCluster:
    """
    Start a cluster of the supervised program.
    """
    return RunningCluster(
        "supervised.py",
        str(port),
        *misbehaviour,
        workers=workers,
        options=list(options),
        **surroundings,  # type: ignore[arg-type]
    )


def answered(clients: Sequence[Client]) -> Sequence[object]:
    """
    Which of these have something to hear now.
    """
    return select.select([client._socket for client in clients], [], [], 0)[0]


def meet(port: int) -> int | None:
    """
    Who answers a short connection.
    """
    try:
        with Client(port) as client:
            pid = client.meet()
            client.order("bye")
            # Until it is over, so that the next one comes after it.
            client.hear()
            return pid
    except (BrokenPipeError, ConnectionResetError):
        return None


def orderEach(cluster: RunningCluster, words: str) -> list[Client]:
    """
    Tell each worker the same.

    @return: The connections, one to each worker; to be closed.
    """
    missing = set(cluster.workerPIDs().values())
    clients = []
    while missing:
        client = Client(cluster.port)
        pid = client.meet()
        if pid in missing:
            missing.discard(pid)
            client.order(words)
            clients.append(client)
        else:
            client.close()
    return clients
