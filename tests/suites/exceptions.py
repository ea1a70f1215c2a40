"""
Which of Twisted's tests differ in a worker, and why.
"""

from __future__ import annotations

from tests.suites.outcomes import NamedException

EXCEPTIONS = (
    NamedException(
        "twisted.internet.test.test_t*.T[CL][PS]PortTestsBuilder_*"
        ".test_closePeerOnEMFILE",
        "A process that has no descriptor left accepts a connection only to close it "
        "at once.  A worker without descriptors refuses the connection instead, and "
        "the primary keeps it until this worker, or another, can take it.  The test "
        "has one worker, and waits for its client to be disconnected.",
        hangs=True,
    ),
)
"""
The documentation names each of them with its reason; a test compares.
"""
