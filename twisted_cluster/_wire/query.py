"""
The worker's end of the query channel: ask, and wait for the answer.

C{reactor.listenTCP} has to return a listening port, or raise, at once, and it
may be called long before the reactor runs.  So the worker blocks here; the
primary never blocks, and answers whenever its reactor turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.protocols import amp

from twisted_cluster._wire.boxes import Box, BoxReader, serialize
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster.errors import ChannelClosed, MalformedBox
from twisted_cluster.interfaces import IBlockingChannel


class QueryClient:
    """
    Asks one question at a time.
    """

    def __init__(self, channel: IBlockingChannel) -> None:
        self._channel = channel
        self._reader = BoxReader()
        self._lastTag = 0
        self._arrived: list[int] | None = None
        self._broken = False

    def ask(self, command: type[amp.Command], **arguments: Any) -> dict[str, Any]:
        """
        Ask the primary, and wait.

        @return: The answer's arguments; descriptors among them are the caller's.

        @raise ChannelClosed: if the primary is gone, or does not answer in time.
        @raise MalformedBox: if what it answers has no meaning; every further
            question fails with L{ChannelClosed} then.
        @raise amp.RemoteAmpError: if the primary could not do what was asked.
        """
        if self._broken:
            raise ChannelClosed("the primary broke the wire's rules")
        self._lastTag += 1
        tag = b"%x" % (self._lastTag,)
        box: Box = {amp.COMMAND: command.commandName, amp.ASK: tag}
        box.update(command.makeArguments(arguments, self))
        try:
            return self._read(self._exchange(serialize(box)), tag, command)
        except MalformedBox:
            # Whatever comes next on this channel cannot be trusted either.
            self._broken = True
            raise
        finally:
            closeAll(self.claimDescriptors())

    def _exchange(self, data: bytes) -> Box:
        """
        Send a question, and collect what comes until it is one whole box.
        """
        while True:
            received, descriptors = self._channel.exchange(data)
            data = b""
            if descriptors:
                if self._arrived is not None:
                    closeAll(descriptors)
                    raise MalformedBox("a second group of descriptors")
                self._arrived = descriptors
            boxes = self._reader.feed(received)
            if boxes:
                if len(boxes) > 1 or self._reader.isInsideBox:
                    raise MalformedBox("more than one answer")
                return boxes[0]

    def _read(self, box: Box, tag: bytes, command: type[amp.Command]) -> dict[str, Any]:
        """
        Check that a box is the answer to the question, and take it apart.
        """
        if box.get(amp.ERROR) == tag:
            raise amp.RemoteAmpError(
                box.get(amp.ERROR_CODE, amp.UNKNOWN_ERROR_CODE),
                box.get(amp.ERROR_DESCRIPTION, b"").decode("utf-8", "replace"),
            )
        if box.get(amp.ANSWER) != tag:
            raise MalformedBox("this is no answer to what was asked")
        arrived = self._arrived
        try:
            response: dict[str, Any] = command.parseResponse(box, self)
        except Exception as e:
            # Nobody is given them now, even if they were claimed.
            self._arrived = arrived
            raise MalformedBox(f"the values of an answer: {e!r}") from e
        return response

    def attachDescriptors(self, descriptors: Sequence[int]) -> None:
        """
        No question has descriptors.
        """
        raise MalformedBox("descriptors cannot be sent with a question")

    def claimDescriptors(self) -> list[int]:
        """
        Take those that came with the answer.
        """
        claimed, self._arrived = self._arrived, None
        return claimed or []
