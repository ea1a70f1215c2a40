"""
A command of an application's own, and who responds to it.
"""

from __future__ import annotations

from twisted.protocols.amp import Command, CommandLocator, Integer


class Double(Command):
    """
    Ask for twice a number.
    """

    arguments = [(b"number", Integer())]
    response = [(b"number", Integer())]
    errors = {KeyError: b"KEY"}


class Doubling(CommandLocator):
    """
    Responds to it.
    """

    @Double.responder
    def double(self, number: int) -> dict[str, int]:
        """
        Respond; 0 cannot be doubled here.
        """
        if number == 0:
            raise KeyError("zero")
        return {"number": 2 * number}
