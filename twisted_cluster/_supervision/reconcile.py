"""
What to do next: a pure function from facts to steps.

Starting, scaling, replacing what crashed and stopping are all this one
question, asked again whenever a fact has changed: how do the workers there are
differ from the workers there should be?  L{reconcile} answers with steps;
whoever asks executes them, each at once, and reports what happens as new facts.

The rules:

 1. There are as many slots as workers are wanted, and each has one worker.  A
    worker that leaves occupies its slot until its process is gone, for a
    crash and for scaling alike.  So there are never more processes than were
    asked for, which is what the machine's memory was planned by; the new one
    does not meet the lock file or the address that the old one still holds;
    and the delay before a restart is known only then.  How long that takes is
    limited by rule 4.
 2. Until a worker was ready for the first time there is only one at a time.
    A program that cannot run thus says so once, and not once per CPU.
 3. Workers beyond the slots are asked to retire; when stopping, all are.
 4. A worker that was asked to leave, or lost its channel, and still lives
    after C{killTime} is killed, once.
 5. No slot is filled before its time (L{Facts.notBefore}).

Replacing workers without a gap (a reload) will need the new worker to come
before the old one leaves.  Which workers occupy a slot is therefore decided
in one place, L{_occupiedSlots}: once workers have a generation, those of an
older one do not occupy theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from attrs import frozen

from twisted_cluster._supervision.lifecycle import State

_LEAVING = frozenset({State.RETIRING, State.DISCONNECTED})


@frozen(kw_only=True)
class WorkerFacts:
    """
    What there is to know about one worker.

    @ivar id: Its number.
    @ivar slot: The place it fills, counted from 0.
    @ivar state: How far it has come.
    @ivar retireOrderedAt: When it was asked to leave, or began to by itself;
        C{None} if it stays.
    @ivar disconnectedAt: When its channel was lost; C{None} while it has one.
    @ivar killOrdered: Whether it was killed already.
    """

    id: int
    slot: int
    state: State
    retireOrderedAt: float | None
    disconnectedAt: float | None
    killOrdered: bool

    @property
    def leavingSince(self) -> float | None:
        """
        The earliest time at which it was known to leave, if it is.
        """
        times = [self.retireOrderedAt, self.disconnectedAt]
        return min((time for time in times if time is not None), default=None)


@frozen(kw_only=True)
class Facts:
    """
    Everything that the next steps depend on, except the time.

    @ivar wanted: How many workers there should be.
    @ivar workers: Those there are.  Ones that are gone may be left out.
    @ivar notBefore: For each slot that has to wait, the earliest time to
        start its next worker.
    @ivar stopping: Whether all should leave; then C{wanted} does not count.
    @ivar everReady: Whether any worker ever was ready.
    @ivar killTime: How many seconds a worker may take to leave.
    """

    wanted: int
    workers: tuple[WorkerFacts, ...]
    notBefore: Mapping[int, float]
    stopping: bool
    everReady: bool
    killTime: float


@frozen
class Start:
    """
    Start a worker.

    @ivar slot: The place that it is to fill.
    """

    slot: int


@frozen
class Retire:
    """
    Ask a worker to leave.

    @ivar workerID: Which one.
    """

    workerID: int


@frozen
class Kill:
    """
    End a worker's process at once.

    @ivar workerID: Which one.
    """

    workerID: int


@frozen
class LookAgain:
    """
    Ask for the next steps again at a certain time, even if nothing happens
    until then.  It replaces what earlier steps said of this.

    @ivar at: The time.
    """

    at: float


Step: TypeAlias = Start | Retire | Kill | LookAgain


def reconcile(facts: Facts, now: float) -> tuple[Step, ...]:
    """
    Say what to do now, so that there come to be the workers there should be.

    The answer depends on nothing but the arguments, and takes its own steps
    into account: nobody has to ask again until a fact changes by something
    else, or the time has come that L{LookAgain} names.

    @return: The steps, to be executed in this order; at most one of them, the
        last, is a L{LookAgain}.
    """
    changes: list[Step] = []
    times: list[float] = []
    for step in [*_departures(facts, now), *_arrivals(facts, now)]:
        if isinstance(step, LookAgain):
            times.append(step.at)
        else:
            changes.append(step)
    return (*changes, LookAgain(min(times))) if times else tuple(changes)


def failedToStart(*, everReady: bool, stopping: bool, retiring: bool) -> bool:
    """
    A worker ended: does that mean that the program cannot run at all, so that
    trying again is of no use?

    It does if the worker ended unasked while none was ever ready, which
    includes that it was not ready itself.

    @param everReady: Whether any worker ever was ready, this one included.
    @param stopping: Whether all workers were asked to leave.
    @param retiring: Whether this worker was asked to leave.
    """
    return not (everReady or stopping or retiring)


def _departures(facts: Facts, now: float) -> Iterator[Step]:
    """
    What has to be done about the workers there are.
    """
    slots = 0 if facts.stopping else facts.wanted
    staying: set[int] = set()
    for worker in _living(facts):
        if worker.state in _LEAVING:
            if worker.killOrdered or worker.leavingSince is None:
                continue
            deadline = worker.leavingSince + facts.killTime
            yield Kill(worker.id) if now >= deadline else LookAgain(deadline)
        elif worker.slot >= slots or worker.slot in staying:
            yield Retire(worker.id)
            yield LookAgain(now + facts.killTime)
        else:
            staying.add(worker.slot)


def _arrivals(facts: Facts, now: float) -> Iterator[Step]:
    """
    What has to be done about the workers there should be and are not.
    """
    if facts.stopping:
        return
    occupied = _occupiedSlots(facts)
    empty = [slot for slot in range(facts.wanted) if slot not in occupied]
    if not facts.everReady:
        # Always the first slot, so that its delay counts: the first attempts
        # must not hop from slot to slot to evade it.
        empty = [] if occupied else empty[:1]
    for slot in empty:
        earliest = facts.notBefore.get(slot, now)
        yield Start(slot) if now >= earliest else LookAgain(earliest)


def _occupiedSlots(facts: Facts) -> set[int]:
    """
    The slots that cannot be filled now, because a worker is in them.
    """
    return {worker.slot for worker in _living(facts)}


def _living(facts: Facts) -> list[WorkerFacts]:
    """
    The workers that are not gone, the oldest first.
    """
    living = [worker for worker in facts.workers if worker.state is not State.GONE]
    return sorted(living, key=lambda worker: worker.id)
