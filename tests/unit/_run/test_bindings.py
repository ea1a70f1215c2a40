"""
Tests for L{twisted_cluster._run.bindings}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._run.bindings import PortRecorder, parseBinding
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.listening import ListenRequest, PortKind


class ParseBindingTests(SynchronousTestCase):
    """
    Tests for L{parseBinding}.
    """

    def assertParsed(self, description: str, expected: ListenRequest) -> None:
        """
        Assert what a description asks for.
        """
        self.assertEqual(parseBinding(description, "/run/here"), expected)

    def tcp(self, port: int, interface: str = "", backlog: int = 50) -> ListenRequest:
        """
        A request for a TCP port.
        """
        return ListenRequest(
            kind=PortKind.TCP, port=port, interface=interface, backlog=backlog
        )

    def test_tcp(self) -> None:
        """
        C{tcp:} is a TCP port.
        """
        self.assertParsed("tcp:80", self.tcp(80))
        self.assertParsed(
            "tcp:port=80:interface=127.0.0.1:backlog=7", self.tcp(80, "127.0.0.1", 7)
        )

    def test_tcp6(self) -> None:
        """
        C{tcp6:} is a TCP port, by default on every IPv6 address.
        """
        self.assertParsed("tcp6:80", self.tcp(80, "::"))
        self.assertParsed(r"tcp6:80:interface=\:\:1", self.tcp(80, "::1"))

    def test_ssl(self) -> None:
        """
        C{ssl:} is the port below it; keys are not read, they need not be
        readable.
        """
        self.assertParsed(
            "ssl:443:privateKey=/nowhere/key.pem:interface=127.0.0.1",
            self.tcp(443, "127.0.0.1"),
        )
        self.assertParsed("ssl:443:key.pem:cert.pem:SSLv23::7", self.tcp(443, "", 7))
        self.assertParsed("ssl:privateKey=k.pem:port=443", self.tcp(443))

    def test_tls(self) -> None:
        """
        C{tls:} is the IPv6 port below it, by default the one for HTTPS; no
        certificates are looked for.
        """
        self.assertParsed("tls:/nowhere", self.tcp(443, "::"))
        self.assertParsed("tls:/nowhere:8443", self.tcp(8443, "::"))

    def test_wrapper(self) -> None:
        """
        An endpoint around another is the port of the other.
        """
        self.assertParsed("haproxy:tcp:80", self.tcp(80))

    def test_unix(self) -> None:
        """
        C{unix:} is a path, which is made absolute.
        """
        for written, path in [
            ("site.sock", b"/run/here/site.sock"),
            ("../site.sock", b"/run/site.sock"),
            ("/tmp/site.sock", b"/tmp/site.sock"),
        ]:
            self.assertParsed(
                f"unix:{written}:mode=660:lockfile=0:backlog=7",
                ListenRequest(
                    kind=PortKind.UNIX, path=path, mode=0o660, wantPID=False, backlog=7
                ),
            )

    def test_unixLock(self) -> None:
        """
        A lock file is wanted where the endpoint wants one: by default.
        """
        self.assertTrue(parseBinding("unix:x", "/").wantPID)

    def test_abstract(self) -> None:
        """
        An abstract name is no path.
        """
        self.assertEqual(parseBinding("unix:\0name", "/run").path, b"\0name")

    def test_refused(self) -> None:
        """
        What is wrong, or opens no port that can be shared, is refused with a
        sentence that quotes it.
        """
        for description in (
            "",
            "tcp",
            "tcp:http",
            "tcp:80:bogus=1",
            "tcp:65536",
            "tcp:80:backlog=x",
            "unix:x:mode=rw",
            "bogus:80",
            "stdio:",
            "fd:7",
            "ssl:privateKey=x",
        ):
            with self.assertRaises(ConfigurationError) as caught:
                parseBinding(description, "/")
            self.assertIn(f"cannot bind {description!r}: ", str(caught.exception))


class PortRecorderTests(SynchronousTestCase):
    """
    Tests for L{PortRecorder}.
    """

    def test_portsAreNone(self) -> None:
        """
        What it returns for a port can be started and stopped, and has no address.
        """
        port = PortRecorder("/").listenTCP(80, None)
        port.startListening()
        port.stopListening()
        self.assertRaises(ConfigurationError, port.getHost)

    def test_listenSSL(self) -> None:
        """
        A TLS port is the TCP port below it.
        """
        recorder = PortRecorder("/")
        recorder.listenSSL(443, None, None)
        [request] = recorder.requests
        self.assertEqual((request.kind, request.port), (PortKind.TCP, 443))
