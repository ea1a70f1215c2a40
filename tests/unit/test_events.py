"""
Tests of L{twisted_cluster.events}.
"""

from __future__ import annotations

from unittest import TestCase

from attrs import evolve

from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.listening import ListenRequest, PortKind


class WorkerExitTests(TestCase):
    """
    Tests of L{WorkerExit}.
    """

    def test_words(self) -> None:
        """
        An exit reads as a sentence would say it.
        """
        for code, signal, words in (
            (0, None, "exit status 0"),
            (None, "SIGKILL", "killed by SIGKILL"),
            (None, None, "it could not be started"),
        ):
            self.assertEqual(str(WorkerExit(code=code, signal=signal)), words)


class ListeningAddressTests(TestCase):
    """
    Tests of L{ListeningAddress}.
    """

    def test_equal(self) -> None:
        """
        Addresses are compared by what they say.
        """
        one = ListeningAddress(address=None, port=80, addressType=4)
        self.assertEqual(one, ListeningAddress(address=None, port=80, addressType=4))
        self.assertNotEqual(
            one, ListeningAddress(address=None, port=80, addressType="udp4")
        )

    def assertTold(
        self,
        request: ListenRequest,
        bound: object,
        *told: object,
        fd: int | None = None,
    ) -> None:
        """
        Assert what is told of a port: its address, port and type.
        """
        address, port, addressType = told
        self.assertEqual(
            ListeningAddress.of(request, bound),
            ListeningAddress(
                address=address,  # type: ignore[arg-type]
                port=port,  # type: ignore[arg-type]
                addressType=addressType,  # type: ignore[arg-type]
                fd=fd,
            ),
        )

    def test_numbers(self) -> None:
        """
        The address is the one that was asked for, the port is the real one.
        """
        tcp, udp = ListenRequest(kind=PortKind.TCP), ListenRequest(kind=PortKind.UDP)
        bound = ("0.0.0.0", 8080)
        self.assertTold(tcp, bound, None, 8080, 4)
        self.assertTold(udp, bound, None, 8080, "udp4")
        bound6 = ("::1", 8080, 0, 0)
        self.assertTold(evolve(tcp, interface="::1"), bound6, "::1", 8080, 6)
        self.assertTold(evolve(udp, interface="::1"), bound6, "::1", 8080, "udp6")

    def test_paths(self) -> None:
        """
        A path is told as text, whatever the kernel was given, with -1 for a port.
        """
        unix = ListenRequest(kind=PortKind.UNIX, path=b"/run/caf\xc3\xa9")
        self.assertTold(unix, "short", "/run/caf\u00e9", -1, -1)
        abstract = evolve(unix, kind=PortKind.UNIX_DATAGRAM, path=b"\0name")
        self.assertTold(abstract, b"\0name", "\0name", -1, -1)

    def test_descriptors(self) -> None:
        """
        Of a descriptor only the kernel knows where it listens.
        """
        tcp = ListenRequest(kind=PortKind.TCP, descriptor=5)
        self.assertTold(tcp, ("127.0.0.1", 80), "127.0.0.1", 80, 4, fd=5)
        unix = evolve(tcp, kind=PortKind.UNIX)
        for bound in ("/run/site", b"/run/site"):
            self.assertTold(unix, bound, "/run/site", -1, -1, fd=5)
