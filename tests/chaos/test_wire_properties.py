"""
Properties of what reads bytes, whatever they are.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.hostile import encode
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._reactor.handles import attach
from twisted_cluster._wire.boxes import Box, BoxReader
from twisted_cluster._wire.lanes import Handle
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster.errors import MalformedBox

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=8,
)
pairs = st.tuples(st.binary(max_size=300), st.binary(max_size=20))
streams = st.lists(
    st.one_of(st.lists(pairs, max_size=4).map(encode), st.binary(max_size=8)),
    max_size=6,
).map(b"".join)


def read(reader: BoxReader, *chunks: bytes) -> tuple[list[Box], str | None]:
    """
    What is read from a stream: boxes, and what is wrong with it.
    """
    boxes = []
    for chunk in chunks:
        # One at a time, as those before what is wrong are lost with it otherwise.
        for at in range(len(chunk)):
            try:
                boxes += reader.feed(chunk[at : at + 1])
            except MalformedBox as e:
                return boxes, str(e)
    return boxes, None


class PropertyTests(DescriptorsCountedTestCase):
    """
    What holds for any bytes.
    """

    @settings(deadline=None)
    @given(streams, st.integers(1, 50))
    def test_cut(self, stream: bytes, cut: int) -> None:
        """
        However a stream is cut, it has the same boxes and the same mistake.
        """
        expected, wrong = read(BoxReader(sizeLimit=400), stream)
        reader = BoxReader(sizeLimit=400)
        boxes: list[Box] = []
        mistake: str | None = None
        for start in range(0, len(stream), cut):
            try:
                boxes += reader.feed(stream[start : start + cut])
            except MalformedBox as e:
                mistake = str(e)
                break
        self.assertEqual(mistake, wrong)
        self.assertEqual(boxes, expected[: len(boxes)])
        if wrong is None:
            self.assertEqual(len(boxes), len(expected))

    @settings(deadline=None, max_examples=200)
    @given(
        st.sampled_from(["json", "advanced"]),
        st.lists(values, min_size=1, max_size=3),
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    )
    def test_codecs(
        self, name: str, messages: list[Any], changes: list[tuple[int, int]]
    ) -> None:
        """
        What is decoded, changed or not, is a message or C{ValueError}.
        """
        codec = codecNamed(name)
        contents: list[bytes] = []
        for message in messages:
            try:
                changed = bytearray(codec.encode(message))
            except ValueError:
                continue
            for place, byte in changes:
                changed[place % len(changed)] = byte
            contents.append(bytes(changed))
        try:
            decoded = codec.decodeAll(contents)
        except ValueError:
            pass
        else:
            self.assertEqual(len(decoded), len(contents))
        for content in contents:
            try:
                codec.decode(content)
            except ValueError:
                continue

    @settings(deadline=None)
    @given(
        st.text(max_size=20)
        | st.builds(
            lambda kind, unread: json.dumps({"kind": kind, "unread": unread}),
            st.sampled_from(["socket", "port", "connection", "datagrams", "cat"])
            | values,
            st.text(max_size=6) | values,
        ),
        st.booleans(),
    )
    def test_handles(self, description: str, isSocket: bool) -> None:
        """
        A handle becomes something that can be closed, or its descriptor is closed
        and there is a C{ValueError}.
        """
        if isSocket:
            descriptor = socket.socket().detach()
        else:
            descriptor = os.open(os.devnull, os.O_RDONLY)
        try:
            received = attach(None, Handle(description, descriptor))
        except ValueError:
            pass
        else:
            received.close()
        with self.assertRaises(OSError):
            os.fstat(descriptor)
