"""
The worker's end of the query channel: ask, and wait for the answer.

C{reactor.listenTCP} has to return a listening port, or raise, at once, and it
may be called long before the reactor runs.  So the worker blocks here; the
primary never blocks, and answers whenever its reactor turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted.protocols import amp

from twisted_cluster._wire.boxes import Box, BoxReader, serialize
from twisted_cluster._wire.channel import DESCRIPTORS_KEY
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster.errors import MalformedBox
from twisted_cluster.interfaces import IBlockingChannel


class QueryClient:
    """
    Asks one question at a time.
    """

    def __init__(self, channel: IBlockingChannel) -> None:
        self._channel = channel
        self._reader = BoxReader()
        self._lastTag = 0
        self._arrived: deque[list[int]] = deque()

    def ask(self, command: type[amp.Command], **arguments: Any) -> dict[str, Any]:
        """
        Ask the primary, and wait.

        @return: The answer's arguments; descriptors among them are the caller's.

        @raise ChannelClosed: if the primary is gone, or does not answer in time.
        @raise amp.RemoteAmpError: if the primary could not do what was asked.
        """
        self._lastTag += 1
        tag = b"%x" % (self._lastTag,)
        box: Box = {amp.COMMAND: command.commandName, amp.ASK: tag}
        box.update(command.makeArguments(arguments, self))
        data = serialize(box)
        while True:
            received, descriptors = self._channel.exchange(data)
            data = b""
            if descriptors:
                self._arrived.append(descriptors)
            for answer in self._reader.feed(received):
                return self._read(answer, tag, command)

    def _read(
        self, box: Box, tag: bytes, command: type[amp.Command]
    ) -> dict[str, Any]:
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
        try:
            response: dict[str, Any] = command.parseResponse(box, self)
            return response
        finally:
            if DESCRIPTORS_KEY in box:
                closeAll(self.claimDescriptors())

    def attachDescriptors(self, descriptors: Sequence[int]) -> None:
        """
        No question has descriptors.
        """
        raise MalformedBox("descriptors cannot be sent with a question")

    def claimDescriptors(self) -> list[int]:
        """
        Take those that came with the answer.
        """
        return self._arrived.popleft() if self._arrived else []
