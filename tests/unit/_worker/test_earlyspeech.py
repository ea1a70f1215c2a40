"""
Tests of L{twisted_cluster._worker.earlyspeech}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._worker.test_booting import NoHandles
from tests.unit.doubling import Double, Doubling
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._worker.earlyspeech import EarlySpeech
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.testing.channels import connectedChannels


class EarlySpeechTests(SynchronousTestCase):
    """
    Tests of L{EarlySpeech}.
    """

    def test_refuses(self) -> None:
        """
        Nothing can be sent yet, and what answers has to be callable already.
        """
        early = EarlySpeech()
        for refused in (
            lambda: early.say("x"),
            lambda: early.send("x", None, keepOpen=False, unread=b""),
            lambda: early.ask("x", None),
            lambda: early.callRemote(Double, number=4),
        ):
            problem = self.assertRaises(ConfigurationError, refused)
            self.assertIn("reactor", str(problem))
        self.assertRaises(ConfigurationError, early.answer, 5)

    def test_passesOn(self) -> None:
        """
        Who answers and who responds is known when there is a reactor; the last one
        to answer counts.
        """
        early = EarlySpeech()
        early.answer(lambda question: "never asked")
        early.answer(lambda question: question + 1)
        early.addLocator(Doubling())
        ours, theirs = (MessagingChannel(JSONCodec()) for _ in range(2))
        pump = connectedChannels(ours, theirs)
        early.passOn(Correspondence(ours, NoHandles(), Clock()))
        answers = [theirs.ask(1), theirs.callRemote(Double, number=4)]
        pump.flush()
        self.assertEqual(
            [self.successResultOf(each) for each in answers], [2, {"number": 8}]
        )

    def test_nothingToPassOn(self) -> None:
        """
        Who has said nothing, has nothing passed on.
        """
        ours, theirs = (MessagingChannel(JSONCodec()) for _ in range(2))
        pump = connectedChannels(ours, theirs)
        EarlySpeech().passOn(Correspondence(ours, NoHandles(), Clock()))
        refused = theirs.ask(1)
        pump.flush()
        self.failureResultOf(refused)
