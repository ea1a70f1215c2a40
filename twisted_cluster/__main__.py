"""
C{python -m twisted_cluster [options] TARGET [ARGS]}: a cluster in the
foreground, which is C{twistd -n --pidfile= cluster [options] TARGET [ARGS]}.
"""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run


def main() -> None:
    """
    Run twistd with our arguments.
    """
    sys.argv[1:1] = ["--nodaemon", "--pidfile=", "cluster"]
    run()


if __name__ == "__main__":
    main()
