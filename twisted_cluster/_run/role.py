"""
What this process is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_cluster._worker.thisworker import ThisWorker

thisWorker: ThisWorker | None = None
"""This process as a worker, from its boot on; C{None} in any other process."""
