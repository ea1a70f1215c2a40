"""
Messages of a side that is about to end, until somebody receives them.
"""

from __future__ import annotations

from twisted_cluster._wire.lanes import HANDLE, HEADER, WINDOW, Handle, closeHandle


class KeptMessages:
    """
    A window of them; what is more than that is dropped.

    @ivar _groups: Those that came together, and the handle of the last; C{None}
        while none are kept.
    @ivar _size: How much of a window those would take.
    @ivar _dropped: How many more were dropped.
    """

    def __init__(self) -> None:
        self._groups: list[tuple[list[bytes], Handle | None]] | None = None
        self._size = 0
        self._dropped = 0

    def begin(self) -> bool:
        """
        Keep messages from now on.

        @return: Whether that is new.
        """
        isNew = self._groups is None
        if isNew:
            self._groups = []
        return isNew

    def keep(
        self, contents: list[bytes], marks: list[int], handle: Handle | None
    ) -> None:
        """
        Keep messages, if there is room.
        """
        size = sum(map(len, contents)) + HEADER * len(contents)
        if handle is not None:
            size += HANDLE
        if self._groups is None or self._size + size > WINDOW:
            self._dropped += len(contents)
            closeHandle(handle)
            return
        self._size += size
        self._groups.append((contents, handle))

    def take(self) -> list[tuple[list[bytes], Handle | None]]:
        """
        Somebody receives them: hand them out, and keep no more.
        """
        kept, self._groups = self._groups or [], None
        return kept

    def forget(self) -> int:
        """
        Nobody is going to receive them: keep no more.

        @return: How many messages are lost.
        """
        kept = self.take()
        for _, handle in kept:
            closeHandle(handle)
        return sum(len(contents) for contents, _ in kept) + self._dropped
