"""
What the package's own commands are called on a channel that the application's travel
on, too.
"""

from __future__ import annotations

from twisted.protocols.amp import Command, Descriptor

from twisted_cluster.errors import ConfigurationError

_PREFIX = b"cluster:"
"""No class can have such a name, so that none of the application's does by chance."""


def reserved(name: str) -> bytes:
    """
    @return: The name on the wire of a command of the package's own.
    """
    return _PREFIX + name.encode("ascii")


def requirePossible(command: type[Command]) -> None:
    """
    @raise ConfigurationError: if an application's command has such a name, so that the
        other side would take it for one of the package's own; or carries a
        descriptor, for which there are messages.
    """
    if command.commandName.startswith(_PREFIX):
        raise ConfigurationError(
            f"the command {command.__name__} is called {command.commandName!r}, as "
            "only this package's own commands are: give it another commandName"
        )
    if any(isinstance(kind, Descriptor) for _, kind in command.arguments):
        raise ConfigurationError(
            f"the command {command.__name__} carries a descriptor: send that with a "
            "message"
        )
