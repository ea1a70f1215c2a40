"""
Every exception of the package, and whose fault each one is::

    ClusterError
    +-- ConfigurationError      the caller asked for something impossible
    |   +-- TargetError         the program to run cannot be found or loaded
    |   +-- NotAWorker          only a worker process can do this
    |   +-- NotAPrimary         only a primary process can do this
    +-- ListenRefused           the primary could not open a port for a worker
    +-- ChannelError            the channel between primary and worker
    |   +-- ChannelClosed       it is gone; the other process ended or left
    |   +-- TakenBack           it was not read; the other process is blocked or gone
    |   +-- MalformedBox        the other side broke the rules of the wire
    |   +-- HandleRefused       the other process has no descriptor left for it
    |   +-- MessageRefused      the other process could not decode it
    +-- AnswerFailed            the other process did not answer a question
    |   +-- AnswerTimeout       it did not in time
    +-- RemoteException         an exception that a message contained
    +-- WorkerLost              a worker is gone before what was waited for
    +-- ClusterStopping         it is too late to start a worker
    +-- FailedToStart           the cluster's workers never came up
    +-- ImpossibleTransition    a worker cannot do this in the state it is in

The docstring of each class is a sentence for the person who operates the
cluster.  The facts are attributes: nobody has to parse a message.
"""

from __future__ import annotations

import os
from typing import Any


class ClusterError(Exception):
    """
    Something went wrong in the cluster.
    """


class ConfigurationError(ClusterError, ValueError):
    """
    A setting has a value that cannot work; the message says which and why.
    """


class TargetError(ConfigurationError):
    """
    The program that the workers should run cannot be found or loaded.
    """


class NotAWorker(ConfigurationError):
    """
    This can only be done in a worker process, started by a primary.
    """


class NotAPrimary(ConfigurationError, AttributeError):
    """
    Only a process that is no worker can start workers and set how; C{isPrimary} says
    which it is.  In a worker C{cluster} has no such attribute, so that C{hasattr} and
    C{getattr} with a default say so, too.
    """


class ListenRefused(ClusterError):
    """
    The primary could not open the port that a worker asked for.

    @ivar errno: The kernel's error number, such as C{errno.EADDRINUSE}.
    @ivar reason: What the number means, in words.
    """

    def __init__(self, errno: int, reason: str = "") -> None:
        self.errno = errno
        self.reason = reason or os.strerror(errno)
        super().__init__(errno, self.reason)

    def __str__(self) -> str:
        return f"[Errno {self.errno}] {self.reason}"


class ChannelError(ClusterError):
    """
    The channel between the primary and a worker failed.
    """


class ChannelClosed(ChannelError):
    """
    The channel is closed: the process at its other end exited or left.
    """


class TakenBack(ChannelError):
    """
    The other process never read what it was sent, and never will: it was taken
    back out of the channel.
    """


class MalformedBox(ChannelError):
    """
    The other side sent bytes that are no AMP box, or a box that breaks the
    rules of the command it names; the channel cannot be used any further.
    """


class HandleRefused(ChannelError):
    """
    The other process has no descriptors left, so it could not receive what was
    sent to it; nothing of that message was delivered.
    """


class MessageRefused(ChannelError):
    """
    The other process could not decode a message, and has dropped it; its log says
    why.
    """


class AnswerFailed(ClusterError):
    """
    The other process gave no answer to a question; the message says why.
    """


class AnswerTimeout(AnswerFailed):
    """
    The other process gave no answer to a question in time.  It may still be at
    work on it; what it answers later is dropped.

    What is raised is a L{twisted.internet.defer.TimeoutError} as well.

    @ivar who: The other process, in words.
    @ivar timeout: How many seconds it had.
    """

    def __init__(self, who: str, timeout: float) -> None:
        self.who = who
        self.timeout = timeout
        super().__init__(f"{who} did not answer in {timeout:g} s")


class RemoteException(ClusterError):
    """
    An exception that came in a message, and whose type is not built in.

    @ivar typeName: The name of its type, with its module.
    @ivar message: What it says about itself.
    """

    def __init__(self, typeName: str, message: str, arguments: tuple[Any, ...]) -> None:
        super().__init__(*arguments)
        self.typeName = typeName
        self.message = message

    def __str__(self) -> str:
        return f"{self.typeName}: {self.message}"


class WorkerLost(ClusterError):
    """
    The worker is gone, so what was waited for will never happen.
    """


class ClusterStopping(ClusterError):
    """
    The reactor is stopping, so that no worker is started any more.
    """


class FailedToStart(ClusterError):
    """
    A worker ended before its program ran, and none had run before it, so
    starting it again cannot help; its output says what is wrong.

    @ivar workerID: Which worker.
    @ivar ending: How it ended, in words.
    """

    def __init__(self, workerID: int, ending: str) -> None:
        self.workerID = workerID
        self.ending = ending
        super().__init__(
            f"worker {workerID} ended before its program was running ({ending})"
        )


class ImpossibleTransition(ClusterError):
    """
    What was asked for, or reported, is not possible in the worker's state.
    """
