"""
Tests of L{twisted_cluster._reactor.shareddatagramport}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from tests.unit._reactor.opening import LOOPBACK, PortCase
from tests.unit.realreactor import PATIENCE
from twisted_cluster.listening import PortKind


class DatagramTests(PortCase):
    """
    Ports for datagrams.
    """

    def test_receive(self) -> None:
        """
        What is sent to the port can be read by whoever has its descriptor; the
        primary does not read.
        """
        for interface in (LOOPBACK, "::1") if socket.has_ipv6 else (LOOPBACK,):
            port = self.share(self.request(kind=PortKind.UDP, interface=interface))
            port.startAccepting()
            port.stopAccepting()
            address: Any = port.boundAddress
            family = socket.AF_INET6 if ":" in interface else socket.AF_INET
            with (
                socket.socket(fileno=os.dup(port.descriptor)) as worker,
                socket.socket(family, socket.SOCK_DGRAM) as client,
            ):
                self.assertFalse(os.get_blocking(port.descriptor))
                client.sendto(b"hello", address)
                self.assertNotIn(port, self.reactor.getReaders())
                worker.settimeout(PATIENCE)
                self.assertEqual(worker.recv(9), b"hello")

    def test_everywhere(self) -> None:
        """
        No interface is every one.
        """
        port = self.share(self.request(kind=PortKind.UDP, interface=""))
        self.assertEqual(port.boundAddress[0], "0.0.0.0")  # type: ignore[index]

    def test_close(self) -> None:
        """
        Closing is done when it returns.
        """
        port = self.share(self.request(kind=PortKind.UDP))
        address: Any = port.boundAddress
        port.close()
        again = self.share(self.request(kind=PortKind.UDP, port=address[1]))
        self.assertEqual(again.boundAddress, address)
