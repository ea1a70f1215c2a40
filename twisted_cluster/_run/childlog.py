"""
How the twistd inside a worker logs: on standard output, for the primary.

The primary reads it line by line and logs each line under the worker's number
and with the time, so that one line per event and no time is what it needs.
"""

from __future__ import annotations

import io
import sys
from typing import TextIO

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, eventAsText


def observer(output: TextIO | None = None) -> ILogObserver:
    """
    Make the observer; this is for C{twistd --logger}.

    @param output: Where to write; by default, standard output.
    """
    if output is None:
        output = sys.stdout
        if isinstance(output, io.TextIOWrapper):
            # One character that the locale's encoding lacks must not cost the
            # whole event.
            output.reconfigure(errors="backslashreplace")
    # The observer flushes after every event.
    return FileLogObserver(output, _eventAsLines)


def _eventAsLines(event: LogEvent) -> str | None:
    """
    Format an event as Twisted's classic text, without the time.
    """
    text = eventAsText(event, includeTimestamp=False)
    if not text:
        return None
    return text.replace("\n", "\n\t") + "\n"
