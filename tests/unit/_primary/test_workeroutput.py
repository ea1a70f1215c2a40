"""
Tests of L{twisted_cluster._primary.workeroutput}.
"""

from __future__ import annotations

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._primary.workeroutput import LINE_LIMIT, WorkerOutput


class WorkerOutputTests(SynchronousTestCase):
    """
    Tests of L{WorkerOutput}.
    """

    def logged(self, *pieces: bytes, end: bool = True) -> list[str]:
        """
        The lines that are logged when these pieces are written.
        """
        output = WorkerOutput(7)
        with capturedLogs() as events:
            for piece in pieces:
                output.received(piece)
            if end:
                output.ended()
        for event in events:
            self.assertEqual(event["log_system"], "worker 7")
            self.assertEqual(event["log_level"], LogLevel.info)
        return [event["line"] for event in events]

    def test_cutAnywhere(self) -> None:
        """
        Lines are put together however they arrive, also in the middle of a
        character.
        """
        text = "erste Zeile\n\nzweite: \u00e9\n".encode()
        for cut in range(len(text)):
            self.assertEqual(
                self.logged(text[:cut], text[cut:]),
                ["erste Zeile", "", "zweite: \u00e9"],
            )

    def test_incomplete(self) -> None:
        """
        The beginning of a line waits for its end; the end of the stream is one.
        """
        self.assertEqual(self.logged(b"one\ntwo", end=False), ["one"])
        self.assertEqual(self.logged(b"one\ntwo"), ["one", "two"])

    def test_carriageReturn(self) -> None:
        """
        Lines may end as on other systems.
        """
        self.assertEqual(self.logged(b"one\r\ntwo\n"), ["one", "two"])

    def test_noText(self) -> None:
        """
        What is no text is shown as the bytes that it is.
        """
        self.assertEqual(self.logged(b"\xff{braces}\n"), ["\\xff{braces}"])

    def test_endless(self) -> None:
        """
        A line that does not end is logged in pieces, of which none is kept.
        """
        lines = self.logged(b"x" * LINE_LIMIT, b"x" * LINE_LIMIT, b"y", b"\n")
        self.assertEqual([len(line) for line in lines], [LINE_LIMIT, LINE_LIMIT, 1])
        self.assertEqual(lines[-1], "y")
