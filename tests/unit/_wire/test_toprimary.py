"""
Tests of L{twisted_cluster._wire.toprimary}.
"""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.amp import Command

from twisted_cluster._wire import toprimary
from twisted_cluster._wire.toprimary import Listen, listenArguments, listenRequest
from twisted_cluster.listening import ListenRequest, PortKind

requests = st.builds(
    ListenRequest,
    kind=st.sampled_from(PortKind),
    interface=st.text(max_size=20),
    port=st.integers(0, 65535),
    path=st.binary(max_size=20),
    backlog=st.integers(-1, (1 << 31) - 1),
    mode=st.integers(0, 0o7777),
    wantPID=st.booleans(),
    reuseAddress=st.booleans(),
)


class ListenTests(TestCase):
    """
    Tests of L{Listen}, L{listenArguments} and L{listenRequest}.
    """

    @given(requests)
    def test_roundTrip(self, request: ListenRequest) -> None:
        """
        A request crosses the wire unchanged.
        """
        box = Listen.makeArguments(listenArguments(request), None)
        self.assertEqual(listenRequest(Listen.parseArguments(box, None)), request)

    def test_invalid(self) -> None:
        """
        Arguments that describe no request raise L{ValueError}.
        """
        arguments = listenArguments(ListenRequest(kind=PortKind.TCP))
        for wrong in ({"kind": "smoke"}, {"port": 65536}, {"port": -1}):
            with self.assertRaises(ValueError):
                listenRequest({**arguments, **wrong})


class CommandTests(TestCase):
    """
    Tests of the commands of L{toprimary} together.
    """

    def test_answers(self) -> None:
        """
        What ends or begins a port is answered, the rest is only told.
        """
        commands = {
            command.__name__: command.requiresAnswer
            for command in vars(toprimary).values()
            if isinstance(command, type)
            and issubclass(command, Command)
            and command is not Command
        }
        for name in ("Announce", "Listen", "SendOn", "GiveBack"):
            self.assertTrue(commands[name], name)
        for name in ("Running", "StartTaking", "StopTaking"):
            self.assertFalse(commands[name], name)
