"""
Tests of L{twisted_cluster.listening}.
"""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from attrs.exceptions import FrozenInstanceError

from twisted_cluster.listening import ListenRequest, Loan, PortKind


class PortKindTests(TestCase):
    """
    Tests of L{PortKind}.
    """

    def test_kinds(self) -> None:
        """
        Streams accept connections; paths are no numbers.
        """
        self.assertEqual(
            {kind.value: (kind.isStream, kind.isPath) for kind in PortKind},
            {
                "tcp": (True, False),
                "unix": (True, True),
                "udp": (False, False),
                "unix-datagram": (False, True),
            },
        )


class ListenRequestTests(TestCase):
    """
    Tests of L{ListenRequest}.
    """

    def test_equal(self) -> None:
        """
        Requests for the same are equal, and can be keys.
        """
        one, other = (ListenRequest(kind=PortKind.TCP, port=80) for _ in range(2))
        self.assertEqual({one: 1}, {other: 1})
        self.assertNotEqual(one, ListenRequest(kind=PortKind.UDP, port=80))

    def test_frozen(self) -> None:
        """
        A request does not change.
        """
        request: Any = ListenRequest(kind=PortKind.TCP)
        with self.assertRaises(FrozenInstanceError):
            request.port = 81

    def test_invalid(self) -> None:
        """
        A kind, a port number or whatever else that does not exist is refused.
        """
        wrongs: list[tuple[dict[str, Any], type[Exception]]] = [
            ({"kind": "tcp"}, TypeError),
            ({"kind": PortKind.TCP, "port": -1}, ValueError),
            ({"kind": PortKind.TCP, "port": 65536}, ValueError),
            ({"kind": PortKind.TCP, "port": "80"}, TypeError),
            ({"kind": PortKind.TCP, "backlog": "5"}, TypeError),
            ({"kind": PortKind.TCP, "backlog": 1 << 40}, ValueError),
            ({"kind": PortKind.UNIX, "mode": 1 << 40}, ValueError),
            ({"kind": PortKind.UNIX, "mode": -1}, ValueError),
            ({"kind": PortKind.UNIX, "mode": "0o666"}, TypeError),
        ]
        for wrong, error in wrongs:
            with self.assertRaises(error):
                ListenRequest(**wrong)

    def test_words(self) -> None:
        """
        A request reads as one would write the address.
        """
        for request, words in (
            (ListenRequest(kind=PortKind.TCP, port=80), "tcp 0.0.0.0:80"),
            (
                ListenRequest(kind=PortKind.UDP, interface="127.0.0.1", port=53),
                "udp 127.0.0.1:53",
            ),
            (
                ListenRequest(kind=PortKind.TCP, interface="::1", port=80),
                "tcp [::1]:80",
            ),
            (ListenRequest(kind=PortKind.UNIX, path=b"/run/a"), "unix /run/a"),
            (
                ListenRequest(kind=PortKind.UNIX_DATAGRAM, path=b"\0a\xff"),
                "unix-datagram @a\\xff",
            ),
        ):
            self.assertEqual(str(request), words)


class LoanTests(TestCase):
    """
    Tests of L{Loan}.
    """

    def test_values(self) -> None:
        """
        A loan is plain values, which can be compared.
        """
        one, other = (
            Loan(number=1, descriptor=2, acceptsItself=True) for _ in range(2)
        )
        self.assertEqual(one, other)
        self.assertNotEqual(one, Loan(number=1, descriptor=2, acceptsItself=False))
