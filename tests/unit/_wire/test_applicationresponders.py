"""
Tests of L{twisted_cluster._wire.applicationresponders}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.protocols import amp
from zope.interface import implementer

from tests.unit._wire.channelends import ChannelCase, Rude, Unheard, codeOf
from twisted_cluster._wire import unanswered
from twisted_cluster._wire.boxes import Box
from twisted_cluster.errors import ChannelClosed


class Shout(amp.Command):
    """
    A command of the application's.
    """

    arguments = [(b"text", amp.Unicode())]
    response = [(b"louder", amp.Unicode())]
    errors = {Rude: b"RUDE"}


class Describe(amp.Command):
    """
    One whose values have the name that descriptors of the package's have.
    """

    arguments = [(b"descriptors", amp.Integer())]
    response = [(b"descriptors", amp.Integer())]


class Application(amp.CommandLocator):
    """
    What the application answers, as any stock AMP responder.
    """

    @Describe.responder
    def describe(self, descriptors: int) -> dict[str, Any]:
        """
        One more.
        """
        return {"descriptors": descriptors + 1}

    @Shout.responder
    def shout(self, text: str) -> dict[str, Any]:
        """
        Shout, unless that would be rude or wrong.
        """
        if text == "rude":
            raise Rude("no")
        return {
            "louder": text.upper() * (100_000 if text == "long" else 1 // len(text))
        }


@implementer(amp.IResponderLocator)
class Late:
    """
    Answers everything with one Deferred.
    """

    def __init__(self, answer: Deferred[Box]) -> None:
        self._answer = answer

    def locateResponder(self, name: bytes) -> Any:
        """
        Always the same.
        """
        return lambda box: self._answer


class ApplicationTests(ChannelCase):
    """
    Tests for commands of the application's own.
    """

    def ask(self, text: str) -> Deferred[dict[str, Any]]:
        """
        Send one.
        """
        asked: Deferred[dict[str, Any]] = self.first.callRemote(Shout, text=text)
        self.pump.flush()
        return asked

    def test_answered(self) -> None:
        """
        They are answered, with their declared errors too.
        """
        self.second.application.locator = Application()
        self.assertEqual(self.successResultOf(self.ask("a")), {"louder": "A"})
        self.failureResultOf(self.ask("rude"), Rude)
        self.assertWorks()

    def test_descriptors(self) -> None:
        """
        A value may be called what descriptors are called, in the command and in the
        answer, also if nobody responds.
        """
        refused = self.first.callRemote(Describe, descriptors=3)
        self.pump.flush()
        refusal = self.failureResultOf(refused, amp.RemoteAmpError)
        self.assertEqual(codeOf(refusal), amp.UNHANDLED_ERROR_CODE)
        self.second.application.locator = Application()
        answered = self.first.callRemote(Describe, descriptors=3)
        self.pump.flush()
        self.assertEqual(self.successResultOf(answered), {"descriptors": 4})
        self.assertWorks()

    def test_undeclared(self) -> None:
        """
        A mistake of theirs, or an answer that is too long, is logged and answered,
        and the channel goes on.
        """
        self.second.application.locator = Application()
        for text in ("", "long"):
            failure = self.failureResultOf(self.ask(text), amp.RemoteAmpError)
            self.assertEqual(codeOf(failure), amp.UNKNOWN_ERROR_CODE)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertWorks()

    def test_unknown(self) -> None:
        """
        One that the application does not know either is refused as ever.
        """
        self.second.application.locator = Application()
        asked = self.first.callRemote(Unheard)
        self.pump.flush()
        failure = self.failureResultOf(asked, amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNHANDLED_ERROR_CODE)
        self.assertWorks()

    def test_looking(self) -> None:
        """
        Looking for a responder may fail, too: it is logged, and there is none.
        """

        def locateResponder(name: bytes) -> None:
            raise KeyError(name)

        self.second.application.locator = application = Application()
        self.patch(application, "locateResponder", locateResponder)
        failure = self.failureResultOf(self.ask("a"), amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNHANDLED_ERROR_CODE)
        self.assertEqual(self.logged(), [KeyError])
        self.assertWorks()

    def test_tooMany(self) -> None:
        """
        What the application has not responded to yet has a bound: once that is
        reached, a command is refused and logged.  When it has, there is room again.
        """
        self.patch(unanswered, "UNANSWERED_LIMIT", unanswered.QUESTION)
        answer: Deferred[Box] = Deferred()
        self.second.application.locator = Late(answer)
        asked = self.ask("a")
        self.failureResultOf(self.ask("b"), amp.RemoteAmpError)
        with capturedLogs() as events:
            self.first.callRemote(Shout, text="c").addErrback(lambda _: None)
            self.pump.flush()
        self.assertEqual([event["peer"] for event in events], [self.second.peer])
        answer.callback({b"louder": b"A"})
        self.pump.flush()
        self.assertEqual(self.successResultOf(asked), {"louder": "A"})
        self.second.application.locator = Application()
        self.assertEqual(self.successResultOf(self.ask("d")), {"louder": "D"})

    def test_lost(self) -> None:
        """
        An answer that comes when the channel is lost has nowhere to go.
        """
        answer: Deferred[Box] = Deferred()
        self.second.application.locator = Late(answer)
        asked = self.ask("a")
        self.pump.lose()
        self.failureResultOf(asked, ChannelClosed)
        answer.callback({b"louder": b"A"})
