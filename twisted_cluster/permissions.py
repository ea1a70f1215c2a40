"""
What workers may ask the primary to listen on, in the operator's words.

Nothing here opens anything: a pattern is read, and compared with a request.
"""

from __future__ import annotations

import os
import re
from fnmatch import fnmatchcase
from glob import escape
from ipaddress import ip_address

from attrs import frozen

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.listening import ListenRequest, PortKind

_NUMBERS = re.compile(r"(?:(\d{1,5})(?:-(\d{1,5}))?|\*)(?::interface=(.+))?", re.DOTALL)

_ADVICE = (
    "write for example tcp:8080, tcp:8000-8099, tcp:8080:interface=127.0.0.1, udp:53, "
    "unix:/run/site/*.sock or fd:3"
)

_EVERY_ADDRESS = ("", "0.0.0.0")


@frozen
class PortPattern:
    """
    Ports that workers may ask for.

    @ivar text: The pattern, as it was given.
    @ivar kind: The kind of port; C{None} for a socket that the primary was given.
    @ivar first: The lowest number, of a port or such a socket.
    @ivar last: The highest number.
    @ivar interface: The only address; C{None} for any.
    @ivar path: For a kind that is a path, what it has to look like.
    """

    text: str
    kind: PortKind | None
    first: int = 0
    last: int = 0
    interface: str | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> PortPattern:
        """
        Read a pattern: C{KIND:NUMBERS}, where the numbers are one, a range, or
        C{*}, perhaps with C{:interface=ADDRESS}; C{KIND:PATH}, where C{*},
        C{?} and C{[...]} stand for parts of a name, but never for a slash, and
        an abstract name begins with C{@}; or C{fd:NUMBER}.

        @raise ConfigurationError: if it is none of these.
        """
        word, _, rest = text.partition(":")
        if word == "fd" and rest.isascii() and rest.isdigit():
            return cls(text, None, int(rest), int(rest))
        try:
            kind = PortKind(word)
        except ValueError:
            raise cls._wrong(text) from None
        if kind.isPath:
            if rest[:1] not in ("/", "@") or os.path.normpath(rest) != rest:
                raise cls._wrong(text)
            return cls(text, kind, path=rest)
        numbers = _NUMBERS.fullmatch(rest)
        if numbers is None:
            raise cls._wrong(text)
        first, last, interface = numbers.groups()
        lowest = int(first or 0)
        highest = int(last or first or 65535)
        if not lowest <= highest <= 65535:
            raise cls._wrong(text)
        return cls(text, kind, lowest, highest, interface)

    @staticmethod
    def _wrong(text: str) -> ConfigurationError:
        """
        What there is to say of a pattern that is none.
        """
        return ConfigurationError(f"{text!r} names no ports; {_ADVICE}")

    def __str__(self) -> str:
        return self.text

    def allows(self, request: ListenRequest) -> bool:
        """
        Whether this is one of the ports.
        """
        if request.descriptor is not None or self.kind is None:
            return self.kind is None and request.descriptor == self.first
        if request.kind is not self.kind:
            return False
        if self.kind.isPath:
            return self._allowsPath(_written(request.path))
        return self.first <= request.port <= self.last and (
            self.interface is None
            or self.interface == request.interface
            or (
                self.interface in _EVERY_ADDRESS and request.interface in _EVERY_ADDRESS
            )
        )

    def _allowsPath(self, path: str) -> bool:
        """
        Whether a path looks as it has to, name by name.  One that is not plain
        never does: it means another one.
        """
        if os.path.normpath(path) != path:
            return False
        names, patterns = path.split("/"), self.path.split("/")
        return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


def whyMisleading(request: ListenRequest) -> str:
    """
    Why a request may mean something else than it says; empty if it does not.

    What a worker sends is made by this package's own code, unless somebody else
    has got into the worker.  A host's name would have the primary wait for its
    address, and a path that the kernel reads differently would pass a pattern.
    """
    if request.descriptor is not None:
        return ""
    if request.kind.isPath:
        path = request.path
        if path[:1] == b"\0" or (path[:1] == b"/" and b"\0" not in path):
            return ""
        return "this is no whole path"
    try:
        ip_address(request.interface or "0.0.0.0")
    except ValueError:
        return "this is no address of an interface"
    return ""


def allowing(request: ListenRequest) -> str:
    """
    The pattern that allows this request and no other.
    """
    if request.descriptor is not None:
        return f"fd:{request.descriptor}"
    if request.kind.isPath:
        return f"{request.kind.value}:{escape(_written(request.path))}"
    pattern = f"{request.kind.value}:{request.port}"
    if request.interface in _EVERY_ADDRESS:
        return pattern
    return f"{pattern}:interface={request.interface}"


def _written(path: bytes) -> str:
    """
    A path as an operator writes it.
    """
    text = os.fsdecode(path)
    return "@" + text[1:] if text[:1] == "\0" else text
