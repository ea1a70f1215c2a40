"""
Starts a command and stays until it ends; asks it to end when asked to end.

The simplest parent that a process can have, to compare the primary with.
"""

from __future__ import annotations

import signal
import subprocess
import sys


def main() -> int:
    """
    Run the command that the arguments are, and return its exit code.
    """
    child = subprocess.Popen(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
