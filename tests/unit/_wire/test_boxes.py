"""
Tests of L{twisted_cluster._wire.boxes}.
"""

from __future__ import annotations

from itertools import pairwise
from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.protocols.amp import AmpBox, parseString

from twisted_cluster._wire.boxes import (
    KEY_LIMIT,
    SIZE_LIMIT,
    VALUE_LIMIT,
    Box,
    BoxReader,
    serialize,
)
from twisted_cluster.errors import MalformedBox

boxes = st.dictionaries(
    st.binary(min_size=1, max_size=4) | st.binary(min_size=254, max_size=255),
    st.binary(max_size=5) | st.integers(0, VALUE_LIMIT).map(bytes),
    min_size=1,
    max_size=4,
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """
    Cut bytes at these places.
    """
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


class SerializeTests(TestCase):
    """
    Tests of L{serialize}.
    """

    @given(boxes)
    def test_asStock(self, box: Box) -> None:
        """
        The bytes are those that stock AMP writes, but for the order of the keys.
        """
        self.assertEqual(parseString(serialize(box)), [AmpBox(box)])
        inOrder = dict(sorted(box.items()))
        self.assertEqual(serialize(inOrder), AmpBox(box).serialize())

    def test_limits(self) -> None:
        """
        What AMP's length fields cannot say is refused.
        """
        serialize({b"k" * KEY_LIMIT: b"v" * VALUE_LIMIT})
        for box in (
            {},
            {b"": b"v"},
            {b"k" * (KEY_LIMIT + 1): b"v"},
            {b"k": b"v" * (VALUE_LIMIT + 1)},
        ):
            with self.assertRaises(ValueError):
                serialize(box)


class BoxReaderTests(TestCase):
    """
    Tests of L{BoxReader}.
    """

    @settings(deadline=None)
    @given(
        sent=st.lists(boxes, max_size=4),
        cuts=st.lists(st.integers(0, 1 << 20), max_size=12),
    )
    def test_asStock(self, sent: list[Box], cuts: list[int]) -> None:
        """
        However the bytes are cut, the boxes are those that stock AMP reads, and
        the reader knows whether it is between two of them.
        """
        data = b"".join(map(serialize, sent))
        reader = BoxReader()
        received = []
        fed = 0
        ends = [
            len(b"".join(map(serialize, sent[:count])))
            for count in range(len(sent) + 1)
        ]
        for piece in pieces(data, cuts):
            received += reader.feed(piece)
            fed += len(piece)
            self.assertEqual(reader.isInsideBox, fed not in ends)
        self.assertEqual(received, parseString(data))
        self.assertEqual(received, sent)

    def test_byteByByte(self) -> None:
        """
        Each byte may come alone.
        """
        sent = [{b"a": b"", b"key": b"value"}, {b"k" * 255: b"v" * 300}]
        reader = BoxReader()
        received = []
        for byte in b"".join(map(serialize, sent)):
            received += reader.feed(bytes([byte]))
        self.assertEqual(received, sent)

    def test_repeatedKey(self) -> None:
        """
        The last of several values of a key counts, as in stock AMP.
        """
        data = b"\0\1k\0\1a\0\1k\0\1b\0\0"
        self.assertEqual(BoxReader().feed(data), [{b"k": b"b"}])
        self.assertEqual(parseString(data), [{b"k": b"b"}])

    def test_keyTooLong(self) -> None:
        """
        AMP has no keys of more than 255 bytes.
        """
        with self.assertRaisesRegex(MalformedBox, "a key of 256 bytes"):
            BoxReader().feed(b"\1\0")

    def test_emptyBox(self) -> None:
        """
        AMP has no boxes without keys.
        """
        with self.assertRaisesRegex(MalformedBox, "without any key"):
            BoxReader().feed(b"\0\0")

    @given(cuts=st.lists(st.integers(0, 100), max_size=8))
    def test_size(self, cuts: list[int]) -> None:
        """
        A box may have as many bytes as the limit, each box for itself, however
        they are cut.
        """
        box = {b"a": b"", b"b": b"12"}
        reader = BoxReader(sizeLimit=12)
        received = []
        for piece in pieces(serialize(box) * 3, cuts):
            received += reader.feed(piece)
        self.assertEqual(received, [box] * 3)

    @given(cuts=st.lists(st.integers(0, 100), max_size=5))
    def test_tooLarge(self, cuts: list[int]) -> None:
        """
        One with more is refused, however it is cut.
        """
        reader = BoxReader(sizeLimit=11)
        with self.assertRaisesRegex(MalformedBox, "more than 11 bytes"):
            for piece in pieces(serialize({b"a": b"", b"b": b"12"}), cuts):
                reader.feed(piece)

    def test_repetitionIsNoWayAround(self) -> None:
        """
        The limit counts what came, and not what is left of it.
        """
        pair = b"\0\1k\xff\xff" + bytes(VALUE_LIMIT)
        reader = BoxReader()
        with self.assertRaises(MalformedBox):
            for _ in range(SIZE_LIMIT // len(pair) + 1):
                self.assertEqual(reader.feed(pair), [])

    @settings(deadline=None)
    @given(chunks=st.lists(st.binary(max_size=40), max_size=20))
    def test_anything(self, chunks: list[bytes]) -> None:
        """
        Bytes that mean nothing are refused, or wait for more; what waits is no
        more than what came.
        """
        reader = BoxReader()
        came = 0
        try:
            for chunk in chunks:
                came += len(chunk)
                for box in reader.feed(chunk):
                    came -= len(serialize(box))
                kept = sum(len(k) + len(v) for k, v in reader._box.items())
                self.assertLessEqual(kept + len(reader._rest), came + 4 * len(chunks))
        except MalformedBox:
            pass
