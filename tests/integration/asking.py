"""
The plainest clients: they connect, and read what the other side has to say.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from tests.integration.running import TIMEOUT

HOST = "127.0.0.1"


def connect(address: int | str) -> socket.socket:
    """
    Connect to a TCP port on this machine, or to a UNIX socket's path.
    """
    if isinstance(address, int):
        return socket.create_connection((HOST, address), TIMEOUT)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(TIMEOUT)
    client.connect(address)
    return client


def readAll(client: socket.socket) -> bytes:
    """
    Read until the other side closes, and close.
    """
    with client:
        received = []
        while data := client.recv(65536):
            received.append(data)
    return b"".join(received)


def whoAnswers(address: int | str) -> dict[str, Any]:
    """
    Connect to one of the sample applications that tell who they are.

    @return: What it says; and as C{"client"} our own end's address, to be
        compared with what it takes for its peer's.
    """
    client = connect(address)
    name = client.getsockname()
    answer: dict[str, Any] = json.loads(readAll(client))
    return {**answer, "client": list(name) if isinstance(name, tuple) else name}


def pidsOfAnswers(address: int | str, count: int) -> list[int]:
    """
    Who answers each of several connections, one after the other.
    """
    return [int(whoAnswers(address)["pid"]) for _ in range(count)]
