"""
What a peer may send that is broken or means harm: valid boxes of every command, and
what can go wrong with them.

Everything follows from the random numbers that are given, so that a seed is enough
to see it again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from attrs import evolve, frozen
from twisted.protocols import amp

from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster._wire.lanes import Delivered
from twisted_cluster._wire.messaging import Messages
from twisted_cluster._wire.questions import Questions
from twisted_cluster.listening import PortKind

Pairs = Sequence[tuple[bytes, bytes]]

ODD_NUMBERS = (
    b"-1",
    b"0",
    b"4294967296",
    b"99999999999999999999",
    b"9" * 4000,
    b"9" * 5000,
    b"-0",
    b" 7 ",
    b"1_0",
    b"0x10",
    b"1.5",
    b"nan",
    b"",
    b"\xff",
    "٣".encode(),
)

ODD_BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"True",
    b"true",
    b"None",
    b"x" * 300,
    b"y" * 65535,
    b"\0\0",
    b"[" * 3000,
    b'{"kind": "socket"}',
)

_MORE = 1 << 63
_KINDS = [kind.value.encode() for kind in PortKind]


@frozen
class Piece:
    """
    Bytes that are written at once.

    @ivar descriptors: How many come with them; C{None} is not the same as 0, which
        is what is left of some for which there was no room.
    """

    data: bytes
    descriptors: int | None = None


def encode(pairs: Pairs) -> bytes:
    """
    A box, whether AMP has such or not.
    """
    parts = []
    for key, value in pairs:
        parts += [
            (len(key) & 0xFFFF).to_bytes(2, "big"),
            key,
            (len(value) & 0xFFFF).to_bytes(2, "big"),
            value,
        ]
    parts.append(b"\0\0")
    return b"".join(parts)


class Speech:
    """
    Boxes of one direction.

    @ivar random: Where everything is from.
    """

    def __init__(
        self,
        random: Random,
        commands: Sequence[type[amp.Command]],
        contents: Callable[[], bytes],
    ) -> None:
        """
        @param commands: What is said in this direction.
        @param contents: Makes the bytes of a message.
        """
        self.random = random
        self._commands = commands
        self._contents = contents

    # -- values

    def number(self) -> bytes:
        """
        A small number.
        """
        return b"%d" % self.random.randrange(8)

    def numbers(self) -> bytes:
        """
        Some numbers of any size.
        """
        return b"".join(
            struct.pack("!Q", self.random.choice((0, 1, 2, 5, 1 << 32, (1 << 64) - 1)))
            for _ in range(self.random.randrange(5))
        )

    def tag(self) -> bytes:
        """
        The tag of a question, perhaps one that was asked.
        """
        return b"%x" % self.random.randrange(1, 12)

    def value(self, name: bytes, argument: amp.Argument, count: int) -> bytes:
        """
        A value that an argument may have.

        @param count: How many descriptors the box has.
        """
        random = self.random
        if isinstance(argument, Descriptors):
            return b"%d" % count
        if isinstance(argument, Numbers):
            return self.numbers()
        if name == b"kind":
            return random.choice(_KINDS)
        if name == b"wireVersion":
            return b"1"
        if name in (b"port", b"descriptor"):
            return random.choice((b"0", b"0", b"8080", b"8081", b"70000"))
        if name == b"errno":
            return random.choice((b"0", b"0", b"13", b"98"))
        if isinstance(argument, amp.Boolean):
            return random.choice((b"True", b"False"))
        if isinstance(argument, amp.Integer):
            return self.number()
        return random.choice((b"", b"127.0.0.1", b"::", b"json", b"/tmp/\xc3\xa9"))

    def values(
        self, arguments: Sequence[tuple[bytes, amp.Argument]], count: int
    ) -> list[tuple[bytes, bytes]]:
        """
        Values of some arguments, with most of those that need not be.
        """
        return [
            (name, self.value(name, argument, count))
            for name, argument in arguments
            if not argument.optional or self.random.random() < 0.7
        ]

    # -- boxes that are as they should be, if not at the right time

    def command(self) -> tuple[list[tuple[bytes, bytes]], int | None]:
        """
        A command of this direction.
        """
        chosen = self.random.choice(self._commands)
        pairs = [(amp.COMMAND, chosen.commandName)]
        if self.random.random() < 0.7:
            pairs.append((amp.ASK, self.tag()))
        return self._finished(pairs, chosen.arguments)

    def answer(
        self, tag: bytes, command: type[amp.Command]
    ) -> tuple[list[tuple[bytes, bytes]], int | None]:
        """
        An answer to a question of the other side's.
        """
        if self.random.random() < 0.3:
            return self.error(tag), None
        return self._finished([(amp.ANSWER, tag)], command.response)

    def error(self, tag: bytes) -> list[tuple[bytes, bytes]]:
        """
        An error as the answer.
        """
        code = self.random.choice((b"UNKNOWN", b"UNHANDLED", b"RUDE", b"\xff"))
        return [
            (amp.ERROR, tag),
            (amp.ERROR_CODE, code),
            (amp.ERROR_DESCRIPTION, self.random.choice(ODD_BYTES)[:100]),
        ]

    def _finished(
        self, pairs: list[tuple[bytes, bytes]], arguments: Any
    ) -> tuple[list[tuple[bytes, bytes]], int | None]:
        """
        With arguments, and the descriptors that they name.
        """
        count = self.random.choice((0, 1, 1, 2, 3))
        pairs += self.values(arguments, count)
        named = any(key == b"descriptors" for key, _ in pairs)
        return pairs, count if named else None

    def messages(self) -> list[Piece]:
        """
        A box, or several, of a lane.
        """
        random = self.random
        lane = random.choice((Messages, Messages, Questions)).commandName
        contents = [self._contents() for _ in range(random.choice((1, 1, 2, 6)))]
        mark = 0
        if lane == Questions.commandName:
            mark = random.choice((0, 0, 1, 2, 7)) << 28 | random.randrange(6)
        if len(contents) == 1 and random.random() < 0.3:
            return self._inParts(lane, contents[0], mark << 32)
        if len(contents) == 1 and random.random() < 0.2:
            return [self._withHandle(lane, contents[0], mark << 32)]
        numbers = [len(content) | mark << 32 for content in contents]
        return [self._lane(lane, numbers, b"".join(contents))]

    def _lane(
        self, lane: bytes, numbers: Sequence[int], content: bytes, *more: Any
    ) -> Piece:
        """
        A box of a lane.
        """
        pairs = [
            (amp.COMMAND, lane),
            (b"parts", struct.pack(f"!{len(numbers)}Q", *numbers)),
            (b"content", content),
            *more,
        ]
        return Piece(encode(pairs))

    def _inParts(self, lane: bytes, content: bytes, mark: int) -> list[Piece]:
        """
        A message in several boxes.
        """
        half = len(content) // 2
        return [
            self._lane(lane, [half | mark | _MORE], content[:half]),
            self._lane(lane, [len(content) - half | mark], content[half:]),
        ]

    def _withHandle(self, lane: bytes, content: bytes, mark: int) -> Piece:
        """
        A message with a handle, or with more or fewer descriptors than that.
        """
        count = self.random.choice((0, 1, 1, 1, 2))
        piece = self._lane(
            lane,
            [len(content) | mark],
            content,
            (b"handle", self.random.choice((b'{"kind": "socket"}', b"", b"[" * 2000))),
            (b"descriptors", b"1"),
        )
        return evolve(piece, descriptors=count)

    # -- boxes that are not as they should be

    def broken(self) -> Piece:
        """
        A box with something wrong.
        """
        random = self.random
        choice = random.randrange(10)
        if choice == 0:
            pairs, count = self.answer(self.tag(), random.choice(self._commands))
        elif choice == 1:
            pairs = self._brokenLane()
            count = 1 if pairs[-1][0] == b"descriptors" else None
        elif choice == 2:
            confirmed = random.choice((*ODD_NUMBERS, b"1", b"5"))
            pairs, count = (
                [
                    (amp.COMMAND, Delivered.commandName),
                    (
                        b"lane",
                        random.choice(
                            (Messages.commandName, Questions.commandName, b"?")
                        ),
                    ),
                    (b"boxes", confirmed),
                    (b"unreadable", random.choice((b"", *ODD_BYTES))),
                ],
                None,
            )
        else:
            pairs, count = self.command()
        for _ in range(random.choice((0, 1, 1, 2))):
            pairs = self._mutated(pairs)
        if random.random() < 0.2:
            count = random.choice((None, 0, 1, 3))
        return Piece(encode(pairs), count)

    def _brokenLane(self) -> list[tuple[bytes, bytes]]:
        """
        A box of a lane whose numbers are not those of its content.
        """
        random = self.random
        pairs = [
            (amp.COMMAND, random.choice((Messages.commandName, Questions.commandName))),
            (b"parts", b"" if random.random() < 0.2 else self.numbers()),
            (b"content", b"" if random.random() < 0.4 else random.choice(ODD_BYTES)),
        ]
        if random.random() < 0.3:
            pairs.append((b"delivered", random.choice((*ODD_NUMBERS, b"1"))))
        if random.random() < 0.5:
            pairs += [(b"handle", b"{}"), (b"descriptors", b"1")]
        return pairs

    def _mutated(self, pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """
        With one pair changed.
        """
        random = self.random
        pairs = list(pairs)
        at = random.randrange(len(pairs)) if pairs else 0
        key, value = pairs[at] if pairs else (b"key", b"value")
        choice = random.randrange(9)
        if choice == 0:
            del pairs[at : at + 1]
        elif choice == 1:
            pairs.insert(at, (random.choice(ODD_BYTES)[:255] or b"?", value))
        elif choice == 2:
            pairs.append((key, random.choice(ODD_NUMBERS)))
        elif choice == 3:
            pairs[at : at + 1] = [(key, random.choice(ODD_NUMBERS))]
        elif choice == 4:
            pairs[at : at + 1] = [(key, random.choice(ODD_BYTES))]
        elif choice == 5:
            pairs[at : at + 1] = [(random.choice((b"", b"k" * 256, b"?")), value)]
        elif choice == 6:
            pairs.append((random.choice((amp.ANSWER, amp.ERROR, amp.ASK)), self.tag()))
        elif choice == 7:
            pairs[at : at + 1] = [(key, random.randbytes(random.randrange(20)))]
        else:
            random.shuffle(pairs)
        return pairs

    def garbled(self, pieces: list[Piece]) -> list[Piece]:
        """
        A stream with bytes changed, left out, added or twice; or in another order.
        """
        random = self.random
        pieces = list(pieces)
        for _ in range(random.choice((1, 1, 2, 5))):
            at = random.randrange(len(pieces))
            data = bytearray(pieces[at].data)
            place = random.randrange(len(data) + 1)
            choice = random.randrange(7)
            if choice == 0 and data:
                data[place % len(data)] ^= 1 << random.randrange(8)
            elif choice == 1:
                del data[place : place + random.randrange(1, 20)]
            elif choice == 2:
                data[place:place] = random.randbytes(random.randrange(1, 20))
            elif choice == 3:
                del data[place:]
            elif choice == 4:
                data[place:place] = data[: random.randrange(len(data) + 1)]
            elif choice == 5:
                other = random.randrange(len(pieces))
                pieces[at], pieces[other] = pieces[other], pieces[at]
                continue
            else:
                pieces.insert(at, pieces[at])
                continue
            pieces[at] = evolve(pieces[at], data=bytes(data))
        return pieces

    def pools(self, size: int) -> tuple[list[list[Piece]], list[Piece]]:
        """
        Boxes to make many streams of: as they should be, each with those that
        belong to it; and broken ones.
        """
        sound = []
        for _ in range(size):
            if self.random.random() < 0.5:
                sound.append(self.messages())
            else:
                pairs, count = self.command()
                sound.append([Piece(encode(pairs), count)])
        broken = [self.broken() for _ in range(size // 2)]
        endless = [(b"%d" % number, bytes(65535)) for number in range(17)]
        return sound, [*broken, Piece(encode(endless))]

    def flood(self) -> list[Piece]:
        """
        More than the window has room for, if nobody receives it.
        """
        lane = self.random.choice((Messages, Questions)).commandName
        return [self._lane(lane, [60_000], bytes(60_000))] * 12


def stream(
    speech: Speech, pools: tuple[list[list[Piece]], list[Piece]], length: int
) -> list[Piece]:
    """
    About so many boxes, one after the other: nearly all as they should be, as a
    broken one may be the last that is listened to.
    """
    random = speech.random
    sound, broken = pools
    pieces = [piece for item in random.choices(sound, k=length) for piece in item]
    if random.random() < 0.5:
        for _ in range(random.choice((1, 1, 3))):
            pieces.insert(random.randrange(len(pieces)), random.choice(broken))
    if random.random() < 0.005:
        pieces[len(pieces) // 2 : 0] = speech.flood()
    if random.random() < 0.25:
        pieces = speech.garbled(pieces)
    return pieces


def chunks(random: Random, pieces: Sequence[Piece]) -> list[Piece]:
    """
    How a stream arrives: together, or cut anywhere; but never past the beginning of
    a piece with descriptors, as the kernel has it.
    """
    arrived: list[Piece] = []
    gathered: list[bytes] = []
    group: int | None = None

    def flush() -> None:
        nonlocal group
        data = b"".join(gathered)
        gathered.clear()
        cut = len(data)
        if data and random.random() < 0.3:
            cut = random.randrange(1, len(data) + 1)
        if data:
            arrived.append(Piece(data[:cut], group))
        if data[cut:]:
            arrived.append(Piece(data[cut:]))
        group = None

    for piece in pieces:
        if piece.descriptors is not None:
            if group is not None or random.random() < 0.8:
                # Else it comes together with what was before it.
                flush()
            group = piece.descriptors
            gathered.append(piece.data)
            flush()
        else:
            gathered.append(piece.data)
            if len(gathered) > 20:
                flush()
    flush()
    return arrived
