"""
The reactors that C{ReactorBuilder}'s tests build.

These tests make a reactor for each test, and put it in the place of the global
one.  In a worker it is layered as the global one is, and the stream channel, on
which connections arrive, is read by it while it is there.

The functions here have the names of the reactor classes, because the ids of the
generated tests are made of them, and have to be the same in every surrounding.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.epollreactor import EPollReactor as _EPollReactor
from twisted.internet.pollreactor import PollReactor as _PollReactor
from twisted.internet.selectreactor import SelectReactor as _SelectReactor
from twisted.internet.test import reactormixins
from twisted.internet.test.connectionmixins import ConnectableProtocol
from twisted.python.failure import Failure

from twisted_cluster._reactor.layer import layered
from twisted_cluster._run import role

TIMEOUT = 20.0
"""
Seconds until one test is taken for one that hangs.
"""


class _LentChannel:
    """
    A built reactor's reader of a channel.

    The transport belongs to the global reactor, which goes on watching it; no
    two reactors run at the same time.

    @ivar _transport: The channel's.
    @ivar _home: The reactor that it belongs to.
    """

    def __init__(self, transport: Any, reactor: Any) -> None:
        self._transport = transport
        self._home = transport.reactor
        transport.reactor = reactor

    def fileno(self) -> int:
        """
        The channel's.
        """
        return int(self._transport.fileno())

    def logPrefix(self) -> str:
        """
        Read as the channel itself would be.
        """
        return str(self._transport.logPrefix())

    def doRead(self) -> Any:
        """
        Something arrived.
        """
        return self._transport.doRead()

    def connectionLost(self, reason: Failure | None) -> None:
        """
        The channel is lost; or, without a reason, the test takes its reactor
        apart, and the channel stays.
        """
        if reason is None:
            self._transport.reactor = self._home
        else:
            self._transport.connectionLost(reason)


def _build(reactorClass: type, *arguments: Any) -> Any:
    """
    Make a reactor like the global one.
    """
    from twisted.internet import reactor as globalReactor

    primaryPorts = getattr(globalReactor, "primaryPorts", None)
    if primaryPorts is None:
        return reactorClass(*arguments)
    reactor = layered(reactorClass)(*arguments)
    reactor.borrowFrom(primaryPorts, {})
    # On the first the primary hands over; on the other it asks whether this turns.
    worker: Any = role.thisWorker
    for link in (primaryPorts._handoffs, worker.process._link):
        reactor._addInternalReader(_LentChannel(link.transport, reactor))
    return reactor


def EPollReactor(case: Any) -> Any:
    """
    Make one.
    """
    return _build(_EPollReactor)


def PollReactor(case: Any) -> Any:
    """
    Make one.
    """
    return _build(_PollReactor)


def SelectReactor(case: Any) -> Any:
    """
    Make one.
    """
    return _build(_SelectReactor)


def AsyncioSelectorReactor(case: Any) -> Any:
    """
    Make one, on an event loop of its own.
    """
    plain = reactormixins.asyncioSelectorReactor(case)
    loop = plain._asyncioEventloop
    # It was made for its event loop and for the loop's clean-up only.
    plain._uninstallHandler()
    for reader in list(plain._internalReaders):
        plain.removeReader(reader)
        reader.connectionLost(None)
    return _build(type(plain), loop)


_BUILT = (EPollReactor, PollReactor, SelectReactor, AsyncioSelectorReactor)


def replaceReactors() -> None:
    """
    Have C{ReactorBuilder} build these.  To be called before any test is loaded.
    """
    builder: Any = reactormixins.ReactorBuilder
    builder._reactors = [f"{__name__}.{build.__name__}" for build in _BUILT]
    builder.timeout = TIMEOUT
    connectable: Any = ConnectableProtocol
    connectable.writeToDetectPeerDisconnection = _writeToPeer


_writeAtOnce = ConnectableProtocol.writeToDetectPeerDisconnection


def _writeToPeer(protocol: ConnectableProtocol) -> None:
    """
    What these tests do with one end of a connection when the other is lost, so
    that the kernel notices.

    They take for granted that both ends are made in one turn of the reactor.  An
    end that comes through the primary may come after the other was lost; then
    it notices by itself, as it is first read.
    """
    if protocol.transport is not None:
        _writeAtOnce(protocol)
