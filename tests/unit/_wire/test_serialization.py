"""
Tests of L{twisted_cluster._wire.serialization}.
"""

from __future__ import annotations

import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._wire.cborcodec import (
    AdvancedCodec,
)
from twisted_cluster._wire.jsoncodec import (
    JSONCodec,
)
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster.errors import ConfigurationError


class CodecNamedTests(SynchronousTestCase):
    """
    Tests for L{codecNamed}.
    """

    def test_names(self) -> None:
        """
        There are two.
        """
        self.assertIsInstance(codecNamed("json"), JSONCodec)
        self.assertIsInstance(codecNamed("advanced"), AdvancedCodec)

    def test_unknown(self) -> None:
        """
        Any other is a mistake, and the words name those that there are.
        """
        with self.assertRaises(ConfigurationError) as caught:
            codecNamed("pickle")
        self.assertIn("'json', 'advanced'", str(caught.exception))

    def test_notInstalled(self) -> None:
        """
        Without its library, C{advanced} says what to install.
        """
        with (
            mock.patch.dict(sys.modules, {"cbor2": None}),
            self.assertRaises(ConfigurationError) as caught,
        ):
            codecNamed("advanced")
        self.assertIn("twisted-cluster[advanced]", str(caught.exception))
