"""
A worker with pipes: to its standard streams, and one more behind them.
"""

from __future__ import annotations

import os
import socket
import sys

from twisted.internet import reactor

import twisted_cluster as cluster


def primary() -> None:
    """
    Write to the worker, and print what it writes.
    """
    if sys.argv[1:] == ["silent"]:
        cluster.setupPrimary(silent=True)
    else:
        cluster.setupPrimary(stdio=["pipe", "pipe", "pipe", "ignore", "pipe", 1])
    process = cluster.fork().process
    print("pipes:", [stream is not None for stream in process.stdio])
    ended = []
    for name, stream in enumerate(process.stdio):
        if stream is not None:
            stream.on("data", lambda data, name=name: print(name, data.decode()))
            stream.on("end", lambda name=name: ended.append(name))
    process.stdin.write(b"hello")
    process.stdin.end()
    if len(process.stdio) > 3:
        process.stdio[4].write(b"ping")
        process.stdio[4].end()

    def exited(worker, code, signal):
        # It is too late, and does no harm.
        for stream in process.stdio:
            if stream is not None:
                stream.write(b"late")
                stream.end()
        print("exited:", code, "ended:", sorted(ended))
        reactor.stop()

    # A process ends before the last of what it wrote is read.
    cluster.on("exit", lambda *exit: reactor.callLater(0.1, exited, *exit))


def worker() -> None:
    """
    Answer on every stream.
    """
    sys.stdout.write(sys.stdin.read() + " back")
    sys.stderr.write("oops")
    if len(sys.argv) == 1:
        behind = socket.socket(fileno=4)
        said = b""
        while data := behind.recv(100):
            said += data
        behind.sendall(said + b" pong")
        os.write(5, b"straight to the primary's output\n")
    sys.exit(2)


if cluster.isPrimary:
    primary()
else:
    worker()
reactor.run()
