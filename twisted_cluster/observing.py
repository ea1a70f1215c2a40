"""
Telling whoever wants to know.

What happens more than once is told to observers, which may be coroutine functions;
what happens once is a Deferred, for those who ask before and those who ask after.  A
mistake in one observer is logged and harms nobody else.  C{KeyboardInterrupt} and
C{SystemExit} are no mistakes: they pass on, to the reactor or whoever else runs this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import methodcaller
from types import CoroutineType
from typing import Any, Generic, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_cluster.errors import ClusterStopping, ConfigurationError

_T = TypeVar("_T")
_Observer = TypeVar("_Observer", bound=Callable[..., object])


@frozen(eq=False)
class _Entry:
    """
    Somebody who wants to know.

    @ivar failed: Is told of the observer's mistakes.
    """

    observer: Callable[..., object]
    once: bool
    failed: Callable[[Failure], None]


def _tell(
    observer: Callable[..., object],
    what: Iterable[object],
    failed: Callable[[Failure], None],
) -> None:
    """
    Call an observer; what it does later, as a coroutine, can fail as well.
    """
    try:
        result = observer(*what)
        if type(result) is CoroutineType:
            Deferred.fromCoroutine(result).addErrback(failed)
    except (KeyboardInterrupt, SystemExit):
        raise
    # Whoever cancels what he does himself raises what is no Exception.
    except BaseException:
        failed(Failure())


def _isMistake(failure: Failure) -> bool:
    """
    Whoever replaces each worker that ends need not know when to leave off.
    """
    return not failure.check(ClusterStopping)


def requireCallable(thing: object, purpose: str) -> None:
    """
    Whoever writes C{on("exit", fork())} should hear of it now: messages that
    wait are gone when they were told to such an observer.

    @param purpose: What is called, and when, for the words of the error.

    @raise ConfigurationError: if this cannot be called.
    """
    if not callable(thing):
        raise ConfigurationError(f"{purpose}, and {thing!r} cannot be")


class Emitter:
    """
    Events by name, as Node has them.

    @ivar _byName: Who observes each.
    @ivar _awaited: What is going to fire when an event happens next.
    @ivar _ending: Why nothing happens here any more; C{None} while something can.
    """

    _log = Logger()

    def __init__(self, names: Iterable[str]) -> None:
        """
        @param names: The events that there are.
        """
        # Not changed but replaced, so that whoever is being told need not copy.
        self._byName: dict[str, tuple[_Entry, ...]] = dict.fromkeys(names, ())
        self._awaited: set[Deferred[tuple[Any, ...]]] = set()
        self._ending: Exception | None = None

    def on(self, name: str, observer: _Observer) -> _Observer:
        """
        Call C{observer} whenever the event happens.

        @return: The observer, so that a lambda can be taken off again.

        @raise ConfigurationError: if there is no such event, or nothing to call.
        """
        return self._add(name, observer, once=False)

    def once(self, name: str, observer: _Observer) -> _Observer:
        """
        Call C{observer} the next time the event happens.

        @raise ConfigurationError: if there is no such event, or nothing to call.
        """
        return self._add(name, observer, once=True)

    def _add(self, name: str, observer: _Observer, *, once: bool) -> _Observer:
        """
        Call C{observer} from now on.
        """
        requireCallable(observer, f"an observer of {name!r} is called when it happens")
        entry = _Entry(observer, once, partial(self._failed, name, observer))
        self._byName[name] = (*self._entries(name), entry)
        self._observersChanged(name)
        return observer

    def when(self, name: str) -> Deferred[tuple[Any, ...]]:
        """
        Wait for the next time that the event happens: Node's C{events.once}.

        @return: Fires with what its observers are called with.  If nothing happens
            here any more, as of a worker that has ended, it fails.

        @raise ConfigurationError: if there is no such event.
        """

        def tell(*what: object) -> None:
            self._awaited.discard(happened)
            happened.callback(what)

        def cancelled(_: object) -> None:
            self._awaited.discard(happened)
            self.off(name, tell)

        happened: Deferred[tuple[Any, ...]] = Deferred(cancelled)
        self._entries(name)
        if self._ending is None:
            # In this order: what has waited for an observer may be told at once.
            self._awaited.add(happened)
            self.once(name, tell)
        else:
            happened.errback(Failure(self._ending))
        return happened

    def happenNoMore(self, reason: Exception) -> None:
        """
        Nothing happens here any more, for this reason.
        """
        self._ending = reason
        while self._awaited:
            self._awaited.pop().errback(Failure(reason))

    def off(self, name: str, observer: Callable[..., object]) -> None:
        """
        Do not call C{observer} any more; nothing happens if it was not called.

        @raise ConfigurationError: if there is no such event.
        """
        for entry in self._entries(name):
            if entry.observer == observer:
                self._remove(name, entry)
                self._observersChanged(name)
                return

    def _observersChanged(self, name: str) -> None:
        """
        Somebody wants to know, or does not any more; for those who have something
        that waits for it.  Not called for those who wanted to know once.
        """

    def isObserved(self, name: str) -> bool:
        """
        Whether anybody wants to know.
        """
        return bool(self._entries(name))

    def emit(self, name: str, *what: object) -> None:
        """
        Tell every observer, in the order in which they came.
        """
        for entry in self._byName.get(name) or self._entries(name):
            if entry.once:
                if entry not in self._byName[name]:
                    # An observer before it made the same thing happen again.
                    continue
                self._remove(name, entry)
            _tell(entry.observer, what, entry.failed)

    def _failed(self, name: str, observer: object, failure: Failure) -> None:
        """
        Log what an observer raised.
        """
        if _isMistake(failure):
            self._log.failure(
                "an observer of {name!r} failed: {observer!r}",
                failure,
                name=name,
                observer=observer,
            )

    def _remove(self, name: str, entry: _Entry) -> None:
        """
        Tell an observer no more.
        """
        self._byName[name] = tuple(
            other for other in self._byName[name] if other is not entry
        )

    def _entries(self, name: str) -> tuple[_Entry, ...]:
        """
        Who observes an event.
        """
        try:
            return self._byName[name]
        except KeyError:
            raise ConfigurationError(
                f"there is no event {name!r}; there are "
                + ", ".join(sorted(self._byName))
            ) from None


class Observers(Generic[_T]):
    """
    Objects that have a method for each thing that can happen.

    @ivar known: They, in the order in which they came.
    """

    _log = Logger()

    def __init__(self) -> None:
        self.known: list[_T] = []

    def add(self, observer: _T) -> None:
        """
        Tell C{observer} from now on.
        """
        self.known.append(observer)

    def remove(self, observer: _T) -> None:
        """
        Tell C{observer} no more; nothing happens if it was not told.
        """
        if observer in self.known:
            self.known.remove(observer)

    def tell(self, happening: str, *what: object) -> None:
        """
        Tell everyone, in the order in which they came.

        @param happening: The name of the method.
        """
        for observer in list(self.known):
            failed = partial(self._failed, happening, observer)
            _tell(methodcaller(happening, *what), [observer], failed)

    def _failed(self, happening: str, observer: _T, failure: Failure) -> None:
        """
        Log what an observer raised.
        """
        if _isMistake(failure):
            self._log.failure(
                "{observer!r} failed in {happening}",
                failure,
                observer=observer,
                happening=happening,
            )


class Occasion(Generic[_T]):
    """
    Something that happens once, or never will.

    @ivar _outcome: What came of it, once that is known.
    """

    def __init__(self) -> None:
        self._outcome: _T | Failure | None = None
        self._known = False
        self._waiting: list[Deferred[_T]] = []

    @property
    def isOver(self) -> bool:
        """
        Whether it happened, or cannot happen any more.
        """
        return self._known

    def happened(self, value: _T) -> None:
        """
        It happened.  Only the first outcome counts.
        """
        self._settle(value)

    def willNeverHappen(self, reason: Exception) -> None:
        """
        It cannot happen any more.  Only the first outcome counts.
        """
        self._settle(Failure(reason))

    def when(self) -> Deferred[_T]:
        """
        @return: A Deferred of the caller's own, which fires when it happens,
            now if it has; it fails if it never will.
        """
        deferred: Deferred[_T] = Deferred(self._cancelled)
        self._waiting.append(deferred)
        if self._known:
            self._fire()
        return deferred

    def _settle(self, outcome: _T | Failure) -> None:
        """
        Remember the outcome, and tell.
        """
        if not self._known:
            self._known = True
            self._outcome = outcome
            self._fire()

    def _fire(self) -> None:
        """
        Tell everyone who waits.
        """
        # One by one: each can have others, or itself, wait no longer.
        while self._waiting:
            deferred = self._waiting.pop(0)
            outcome: Any = self._outcome
            if isinstance(outcome, Failure):
                deferred.errback(outcome)
            else:
                deferred.callback(outcome)

    def _cancelled(self, deferred: Deferred[_T]) -> None:
        """
        Somebody waits no longer.
        """
        self._waiting.remove(deferred)
