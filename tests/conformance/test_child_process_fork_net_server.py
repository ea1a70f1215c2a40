"""
Node's C{test-child-process-fork-net-server}: a port that primary and worker
have.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    serving,
)

ADAPTED = (
    "Who accepts is left to chance in Node's test; here each of the two looks away "
    "for a while."
)


class ForkNetServerTests(ProgramTests):
    """
    The test.
    """

    def test_either(self) -> None:
        """
        Every connection is served by one of them, and each serves some.
        """
        self.assertEqual(self.perform()["servers"], [["child", "parent"]])


async def primary() -> None:
    """
    Connect until both have served.
    """
    worker = cluster.fork()
    port = reactor().listenTCP(
        0, serving(lambda peer: peer.write(b"parent")), interface="127.0.0.1"
    )
    await worker.send("port", port)
    servers = set()
    # Each is made to look the other way, so that it does not depend on chance.
    for paused in (port, None):
        if paused is not None:
            paused.stopReading()
        else:
            await worker.ask("pause")
            port.startReading()
        for _ in range(2):
            client = await connect(port.getHost().port)
            await client.hear(5)
            servers.add(client.received.decode())
            client.close()
    saw("servers", sorted(servers))
    await port.stopListening()
    await worker.ask("close")
    await cluster.disconnect()


async def worker() -> None:
    """
    Listen on what comes.
    """
    itself = cluster.worker
    assert itself is not None
    [_, handle] = await happening(itself, "message")
    port = await handle.listen(serving(lambda peer: peer.write(b"child")))
    actions = {"pause": port.stopReading, "close": port.stopListening}
    itself.answer(lambda question: actions[question]())


if __name__ == "__main__":
    play(primary, worker)
