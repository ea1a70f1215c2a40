"""
Tests of L{twisted_cluster._supervision.lifecycle}.
"""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_cluster._supervision.lifecycle import (
    TRANSITIONS,
    Happening,
    Lifecycle,
    State,
    renderTable,
)
from twisted_cluster.errors import ImpossibleTransition

TO_STATE = {
    State.STARTING: [],
    State.ONLINE: [Happening.ANNOUNCED],
    State.READY: [Happening.ANNOUNCED, Happening.RAN],
    State.RETIRING: [Happening.RETIRE_ORDERED],
    State.DISCONNECTED: [Happening.CHANNEL_LOST],
    State.GONE: [Happening.CHANNEL_LOST, Happening.EXITED],
}


def lifecycleIn(state: State) -> Lifecycle:
    """
    A lifecycle that has come to C{state}.
    """
    lifecycle = Lifecycle()
    for happening in TO_STATE[state]:
        lifecycle.happened(happening)
    return lifecycle


class LifecycleTests(TestCase):
    """
    Tests of L{Lifecycle}.
    """

    def test_usualLife(self) -> None:
        """
        A worker starts, speaks, runs, is asked to leave, and goes.
        """
        lifecycle = Lifecycle()
        states = [lifecycle.state]
        states += [
            lifecycle.happened(happening)
            for happening in (
                Happening.ANNOUNCED,
                Happening.RAN,
                Happening.RETIRE_ORDERED,
                Happening.CHANNEL_LOST,
                Happening.EXITED,
            )
        ]
        self.assertEqual(states, list(State))
        self.assertIs(lifecycle.state, State.GONE)

    def test_everyEntry(self) -> None:
        """
        What is in the table can happen; what is not is refused, and changes
        nothing.
        """
        refused = 0
        for state in State:
            for happening in Happening:
                lifecycle = lifecycleIn(state)
                self.assertIs(lifecycle.state, state)
                if happening in TRANSITIONS[state]:
                    after = lifecycle.happened(happening)
                    self.assertIs(after, TRANSITIONS[state][happening])
                    self.assertIs(lifecycle.state, after)
                else:
                    with self.assertRaises(ImpossibleTransition):
                        lifecycle.happened(happening)
                    self.assertIs(lifecycle.state, state)
                    refused += 1
        self.assertEqual(refused, 17)

    def test_message(self) -> None:
        """
        What was refused is said in words.
        """
        with self.assertRaises(ImpossibleTransition) as caught:
            Lifecycle().happened(Happening.EXITED)
        self.assertEqual(
            str(caught.exception),
            "a worker that is starting cannot be told of 'exited'",
        )

    def test_properties(self) -> None:
        """
        The properties say what the states mean.
        """
        meanings = {
            state: (it.isConnected, it.mayTakeConnections, it.isGone)
            for state in State
            for it in [lifecycleIn(state)]
        }
        self.assertEqual(
            meanings,
            {
                State.STARTING: (True, False, False),
                State.ONLINE: (True, False, False),
                State.READY: (True, True, False),
                State.RETIRING: (True, False, False),
                State.DISCONNECTED: (False, False, False),
                State.GONE: (False, False, True),
            },
        )

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(Happening)))
    def test_anyOrder(self, happenings: list[Happening]) -> None:
        """
        In whatever order things are reported, the channel is lost at most
        once, the exit comes at most once and after it, and a worker that was
        asked to leave does not take connections.
        """
        lifecycle = Lifecycle()
        accepted = []
        for happening in happenings:
            try:
                lifecycle.happened(happening)
            except ImpossibleTransition:
                continue
            accepted.append(happening)
            if Happening.RETIRE_ORDERED in accepted:
                self.assertFalse(lifecycle.mayTakeConnections)
        ends = [
            happening
            for happening in accepted
            if happening in (Happening.CHANNEL_LOST, Happening.EXITED)
        ]
        self.assertEqual(ends, [Happening.CHANNEL_LOST, Happening.EXITED][: len(ends)])
        self.assertEqual(lifecycle.isGone, len(ends) == 2)


class RenderTableTests(TestCase):
    """
    Tests of L{renderTable}.
    """

    def test_picture(self) -> None:
        """
        The picture has every state, and an arrow for what changes it.
        """
        lines = renderTable().splitlines()
        self.assertEqual(lines[0], "digraph lifecycle {")
        self.assertEqual(lines[-1], "}")
        self.assertIn('    "gone";', lines)
        self.assertIn('    "online" -> "ready" [label="ran"];', lines)
        self.assertEqual(sum("->" in line for line in lines), 10)
