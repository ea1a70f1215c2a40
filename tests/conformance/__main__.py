"""
Writes C{docs/project/conformance.rst} anew.
"""

from __future__ import annotations

from tests.conformance.catalogue import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
