"""
Tests of L{twisted_cluster.permissions}.
"""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from hypothesis import example, given
from hypothesis import strategies as st

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.permissions import PortPattern, allowing, whyMisleading


def tcp(port: int, interface: str = "", **more: Any) -> ListenRequest:
    """
    A request for a TCP port.
    """
    return ListenRequest(kind=PortKind.TCP, port=port, interface=interface, **more)


def unix(path: str) -> ListenRequest:
    """
    A request for a UNIX port.
    """
    return ListenRequest(kind=PortKind.UNIX, path=path.encode())


anyInterface = st.sampled_from(["", "0.0.0.0", "127.0.0.1", "::", "fe80::1%eth0"])
anyNames = st.lists(
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1),
    min_size=1,
    max_size=3,
).filter(lambda names: not {".", ".."}.intersection(names))
anyRequest = st.one_of(
    st.builds(
        ListenRequest,
        kind=st.sampled_from([PortKind.TCP, PortKind.UDP]),
        port=st.integers(0, 65535),
        interface=anyInterface,
    ),
    st.builds(
        ListenRequest,
        kind=st.sampled_from([PortKind.UNIX, PortKind.UNIX_DATAGRAM]),
        path=anyNames.map(lambda names: ("/" + "/".join(names)).encode()),
    ),
    st.builds(
        ListenRequest,
        kind=st.sampled_from(PortKind),
        descriptor=st.integers(0, 1000),
    ),
)


class PatternTests(TestCase):
    """
    Tests of L{PortPattern}.
    """

    def assertAllows(self, pattern: str, *requests: ListenRequest) -> None:
        """
        A pattern allows all of these.
        """
        parsed = PortPattern.parse(pattern)
        for request in requests:
            self.assertTrue(parsed.allows(request), f"{pattern}: {request}")

    def assertForbids(self, pattern: str, *requests: ListenRequest) -> None:
        """
        A pattern allows none of these.
        """
        parsed = PortPattern.parse(pattern)
        for request in requests:
            self.assertFalse(parsed.allows(request), f"{pattern}: {request}")

    def test_number(self) -> None:
        """
        One number is that port, on every interface.
        """
        self.assertAllows("tcp:8080", tcp(8080), tcp(8080, "127.0.0.1"))
        self.assertForbids(
            "tcp:8080",
            tcp(8081),
            tcp(0),
            ListenRequest(kind=PortKind.UDP, port=8080),
            unix("/8080"),
            tcp(8080, descriptor=3),
        )

    def test_numbers(self) -> None:
        """
        A range has both its ends; C{*} is any number, and 0 the kernel's choice.
        """
        self.assertAllows("tcp:8000-8002", tcp(8000), tcp(8001), tcp(8002))
        self.assertForbids("tcp:8000-8002", tcp(7999), tcp(8003), tcp(0))
        self.assertAllows("tcp:*", tcp(0), tcp(1), tcp(65535))
        self.assertAllows("tcp:0", tcp(0))
        self.assertForbids("tcp:0", tcp(1))
        self.assertAllows("udp:53", ListenRequest(kind=PortKind.UDP, port=53))

    def test_interface(self) -> None:
        """
        With an interface it is that one; every IPv4 address has two names.
        """
        self.assertAllows("tcp:80:interface=127.0.0.1", tcp(80, "127.0.0.1"))
        self.assertForbids("tcp:80:interface=127.0.0.1", tcp(80), tcp(80, "127.0.0.2"))
        self.assertAllows("tcp:*:interface=::1", tcp(80, "::1"))
        self.assertForbids("tcp:*:interface=::1", tcp(80, "::"))
        self.assertAllows("tcp:1:interface=0.0.0.0", tcp(1), tcp(1, "0.0.0.0"))
        self.assertForbids("tcp:1:interface=0.0.0.0", tcp(1, "::"))

    def test_path(self) -> None:
        """
        A path is that path; C{*} and C{?} stand for parts of one name.
        """
        self.assertAllows("unix:/run/site", unix("/run/site"))
        self.assertForbids("unix:/run/site", unix("/run/site2"), unix("/run"))
        self.assertAllows("unix:/run/*/s?", unix("/run/a/s1"), unix("/run/b/s2"))
        self.assertForbids(
            "unix:/run/*/s?", unix("/run/a/b/s1"), unix("/run/s1"), unix("/run/a/s")
        )
        self.assertForbids(
            "unix:/run/*",
            ListenRequest(kind=PortKind.UNIX_DATAGRAM, path=b"/run/x"),
            tcp(0),
        )
        self.assertAllows(
            "unix-datagram:/run/*",
            ListenRequest(kind=PortKind.UNIX_DATAGRAM, path=b"/run/x"),
        )

    def test_elsewhere(self) -> None:
        """
        A path that means another one is not allowed by what it looks like.
        """
        self.assertForbids(
            "unix:/run/*/*",
            unix("/run/../etc"),
            unix("/run/x/.."),
            unix("/run/x/"),
            unix("/run//x"),
        )

    def test_abstract(self) -> None:
        """
        An abstract name is no path.
        """
        self.assertAllows("unix:@site*", unix("\0site-1"))
        self.assertForbids("unix:@site*", unix("/site-1"), unix("\0other"))
        self.assertForbids("unix:/*", unix("\0site"))

    def test_descriptor(self) -> None:
        """
        A socket that the primary has is named by its number, whatever it is.
        """
        for kind in PortKind:
            self.assertAllows("fd:3", ListenRequest(kind=kind, descriptor=3))
        self.assertForbids("fd:3", tcp(3), tcp(3, descriptor=4))

    def test_wrong(self) -> None:
        """
        Everything else is refused, with examples.
        """
        for text in (
            *("", "tcp", "tcp:", "tcp:x", "tcp:1-", "tcp:-1", "tcp:2-1", "tcp:65536"),
            *("tcp:80:interface=", "tcp:80:127.0.0.1", "TCP:80", "8080", "fd:", "fd:x"),
            *("unix:", "unix:run/x", "unix:/run/../x", "unix:/run/", "/run/x"),
        ):
            with self.assertRaisesRegex(ConfigurationError, "names no ports; write"):
                PortPattern.parse(text)

    def test_shown(self) -> None:
        """
        A pattern is shown as it was written.
        """
        self.assertEqual(str(PortPattern.parse("tcp:1-2")), "tcp:1-2")

    def test_misleading(self) -> None:
        """
        A request that may mean something else is told from a plain one.
        """
        for plain in (
            tcp(1),
            tcp(1, "127.0.0.1"),
            tcp(1, "fe80::1%eth0"),
            unix("/run/x"),
            unix("\0x\0y"),
            ListenRequest(kind=PortKind.UDP, descriptor=3),
        ):
            self.assertEqual(whyMisleading(plain), "", plain)
        for path in ("", "run/x", "/run/x\0.sock"):
            self.assertEqual(whyMisleading(unix(path)), "this is no whole path")
        for interface in ("localhost", "127.1", "::1\0", " 127.0.0.1"):
            self.assertIn("no address", whyMisleading(tcp(1, interface)))

    @given(anyRequest)
    @example(unix("/run/[a]*?"))
    def test_allowing(self, request: ListenRequest) -> None:
        """
        What is recommended to allow a request allows it.
        """
        self.assertAllows(allowing(request), request)

    @given(anyRequest, anyRequest)
    def test_allowingOthers(self, request: ListenRequest, other: ListenRequest) -> None:
        """
        And no port of another kind, number, or socket.
        """
        if PortPattern.parse(allowing(request)).allows(other):
            self.assertEqual(request.descriptor, other.descriptor)
            if request.descriptor is None:
                self.assertEqual((request.kind, request.port), (other.kind, other.port))
