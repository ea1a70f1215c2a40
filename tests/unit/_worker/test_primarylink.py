"""
Tests of L{twisted_cluster._worker.primarylink}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.toprimary import Leaving, Running
from twisted_cluster._wire.toworker import Leave, Turn
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster.testing.channels import connectedChannels


class ScriptedPrimary(Channel):
    """
    The primary's end: hears.

    @ivar heard: What the worker said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    @responds(Running)
    def running(self) -> dict[str, Any]:
        """
        The worker's reactor runs.
        """
        self.heard.append("running")
        return {}

    @responds(Leaving)
    def leaving(self) -> dict[str, Any]:
        """
        The worker leaves, and has heard all there is.
        """
        self.heard.append("leaving")
        return {"messages": 0, "questions": 0, "isWaiting": False}


class PrimaryLinkTests(SynchronousTestCase):
    """
    Tests of L{PrimaryLink}.
    """

    def setUp(self) -> None:
        """
        Connect the channel.
        """
        self.lost: list[str] = []
        self.asked: list[str] = []
        self.link = PrimaryLink(
            JSONCodec(),
            lambda: self.asked.append("leave"),
            lambda: self.lost.append("primary"),
        )
        self.primary = ScriptedPrimary()
        self.pump = connectedChannels(self.primary, self.link)

    def test_says(self) -> None:
        """
        It says that it runs.
        """
        self.link.reportRunning()
        self.pump.flush()
        self.assertEqual(self.primary.heard, ["running"])

    def test_turns(self) -> None:
        """
        Asked whether its reactor turns, it answers.
        """
        answered = self.primary.callRemote(Turn)
        self.assertNoResult(answered)
        self.pump.flush()
        self.assertEqual(self.successResultOf(answered), {})

    def test_leaving(self) -> None:
        """
        That it leaves is said, and known to the primary, before anything that
        follows.
        """
        said = Deferred.fromCoroutine(self.link.announceLeaving(None))
        self.assertNoResult(said)
        self.pump.flush()
        self.successResultOf(said)
        self.assertEqual(self.primary.heard, ["leaving"])

    def test_leavingFromNobody(self) -> None:
        """
        A primary that has gone itself need not be told: neither one that is
        gone already, nor one that goes before it answers.
        """
        underway = Deferred.fromCoroutine(self.link.announceLeaving(None))
        self.pump.lose()
        self.successResultOf(underway)
        late = Deferred.fromCoroutine(self.link.announceLeaving(None))
        self.successResultOf(late)
        self.assertEqual(self.primary.heard, [])

    def test_askedToLeave(self) -> None:
        """
        The primary can ask it to leave, and is answered at once.
        """
        answered = self.primary.callRemote(Leave)
        self.pump.flush()
        self.assertEqual(self.successResultOf(answered), {})
        self.assertEqual(self.asked, ["leave"])

    def test_primaryLost(self) -> None:
        """
        The end of the channel is the primary's end; what is said afterwards
        is heard by nobody, and harms nobody.
        """
        self.pump.lose()
        self.assertEqual(self.lost, ["primary"])
        self.link.reportRunning()
        self.assertEqual(self.lost, ["primary"])
