"""
Serves so many clients at a time as its second argument says, on the endpoint that
is its first, and each until it leaves.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.protocol import Factory, Protocol


class Stay(Protocol):
    """
    Says its process id.
    """

    def connectionMade(self) -> None:
        """
        Say it, and stay.
        """
        assert self.transport is not None
        self.transport.write(b"%d\n" % os.getpid())


def main() -> None:
    """
    Listen, with a limit.
    """
    from twisted.internet import endpoints
    from twisted.internet import reactor as installed

    import twisted_cluster as cluster

    reactor: Any = installed
    description, limit = sys.argv[1:]
    endpoint = endpoints.serverFromString(reactor, description)
    worker = cluster.worker
    assert worker is not None
    endpoint.listen(Factory.forProtocol(Stay)).addCallback(
        worker.limitConnections, int(limit)
    )
    reactor.run()


if __name__ == "__main__":
    main()
