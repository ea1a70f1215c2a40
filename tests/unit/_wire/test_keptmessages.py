"""
Tests of L{twisted_cluster._wire.keptmessages}.
"""

from __future__ import annotations

from tests.unit._wire.messagingends import MessagingCase
from twisted_cluster._wire.lanes import WINDOW, Handle


class KeepingTests(MessagingCase):
    """
    Tests for messages of a side that is about to end.
    """

    def test_kept(self) -> None:
        """
        They are taken from it, and wait for a receiver, also when it is gone; so
        does what it sends later.
        """
        early = self.near.sendMessage(b"early")
        self.pump.flush()
        self.assertNoResult(early)
        self.far.keepMessages()
        late = self.near.sendMessage(b"late", Handle("file", self.aDescriptor()))
        self.pump.flush()
        self.assertEqual(self.outcomes(early, late), [None, None])
        self.pump.lose()
        self.far.listen()
        self.assertEqual(self.far.received[:2], [b"early", b"late"])
        self.assertEqual(len(self.far.received), 3)
        self.assertEqual(self.far.forgetMessages(), 0)

    def test_received(self) -> None:
        """
        If somebody receives them already, nothing is kept; neither is it after
        somebody began to.
        """
        self.far.listen()
        self.far.keepMessages()
        self.near.sendMessage(b"first")
        self.pump.flush()
        self.assertEqual(self.far.received, [b"first"])

    def test_twice(self) -> None:
        """
        To keep them twice is to keep them once.
        """
        self.far.keepMessages()
        self.near.sendMessage(b"first")
        self.pump.flush()
        self.far.keepMessages()
        self.far.listen()
        self.assertEqual(self.far.received, [b"first"])

    def test_forgotten(self) -> None:
        """
        What nobody receives can be forgotten, with its handles.
        """
        self.far.keepMessages()
        for _ in range(3):
            self.near.sendMessage(b"x", Handle("file", self.aDescriptor()))
        self.pump.flush()
        self.assertEqual(self.far.forgetMessages(), 3)
        self.near.sendMessage(b"x", Handle("file", self.aDescriptor()))
        self.pump.flush()
        self.far.listen()
        self.assertEqual(self.far.received, [])

    def test_bounded(self) -> None:
        """
        No more than a window is kept; the rest is taken all the same, and lost.
        """
        self.far.keepMessages()
        half = b"x" * (WINDOW // 2 - 100)
        handle = Handle("file", self.aDescriptor())
        sent = [self.near.sendMessage(half) for _ in range(2)]
        sent += [self.near.sendMessage(b"x", handle), self.near.sendMessage(half)]
        self.pump.flush()
        self.assertEqual(self.outcomes(*sent), [None] * 4)
        self.assertEqual(self.near.undelivered, 0)
        self.assertEqual(self.far.forgetMessages(), 4)
        self.far.listen()
        self.assertEqual(self.far.received, [])

    def test_boundedAndReceived(self) -> None:
        """
        What was kept is received in order, without what was lost.
        """
        self.far.keepMessages()
        half = b"x" * (WINDOW // 2 - 100)
        for message in (half, half, half, b"last"):
            self.near.sendMessage(message)
        self.pump.flush()
        self.far.listen()
        self.assertTrue(self.far.received == [half, half, b"last"])
        self.assertEqual(self.far.forgetMessages(), 1)
