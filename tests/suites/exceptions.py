"""
Which of Twisted's tests differ in a worker, and why.
"""

from __future__ import annotations

from tests.suites.outcomes import NamedException

EXCEPTIONS = (
    *(
        NamedException(
            f"twisted.internet.test.{port}PortTestsBuilder_*.test_closePeerOnEMFILE",
            "A process that has no descriptor left accepts a connection only to close "
            "it at once.  A worker without descriptors refuses the connection instead, "
            "and the primary keeps it until this worker, or another, can take it.  The "
            "test has one worker, and waits for its client to be disconnected.",
            leftOut=True,
        )
        for port in ("test_tcp.TCP", "test_tls.TLS", "test_unix.UNIX")
    ),
    NamedException(
        "twisted.internet.test.test_unix.UNIXTestsBuilder_*.test_listenFailure",
        "The test replaces the function that makes sockets by one that fails, in its "
        "own process.  The socket is made by the primary.",
    ),
    NamedException(
        "twisted.internet.test.test_unix.UNIXDatagramTestsBuilder_*.test_listenMode",
        "The path of a UNIX socket can have 107 bytes.  The primary binds it in full, "
        "because its directory is not the worker's, so a relative path that is just "
        "short enough becomes too long.  The test's is 94 bytes below its directory.",
    ),
    NamedException(
        "twisted.internet.test.test_unix.UNIXAdoptStreamConnectionTestsBuilder_*"
        ".test_ServerAddressUNIX",
        "A port calls itself as the application did, by a relative path; the kernel "
        "knows the path that the primary bound, in full.  The test gives a "
        "connection's descriptor away and adopts it again: what is adopted has its "
        "name from the kernel.",
        leftOut=True,
    ),
)
"""
The documentation names each of them with its reason; a test compares.
"""
