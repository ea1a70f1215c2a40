"""
A worker with pipes: to its standard streams, and one more behind them.
"""

from __future__ import annotations

import os
import socket
import sys

from twisted.internet import defer, reactor

import twisted_cluster as cluster

EXTRA = ["pipe", "pipe", "pipe", "ignore", "pipe", 1]


def whole(stream):
    """
    All that is written into a stream, when it has ended.
    """
    said = []
    ended = defer.Deferred()
    stream.on("data", said.append)
    stream.on("end", lambda: ended.callback(b"".join(said)))
    return ended


def primary() -> None:
    """
    Write to the worker, and print what it writes.
    """
    if sys.argv[1:] == ["silent"]:
        cluster.setupPrimary(silent=True)
    else:
        cluster.setupPrimary(stdio=EXTRA)
    worker = cluster.fork()
    process = worker.process
    print("pipes:", [stream is not None for stream in process.stdio])
    ends = [
        whole(stream).addCallback(lambda said, name=name: (name, said.decode()))
        for name, stream in enumerate(process.stdio)
        if stream is not None
    ]
    process.stdin.write(b"hello")
    process.stdin.end()
    if len(process.stdio) > 3:
        process.stdio[4].write(b"ping")
        process.stdio[4].end()

    def exited(results):
        for name, said in results[1:]:
            if said:
                print(name, said)
        # It is too late, and does no harm.
        for stream in process.stdio:
            if stream is not None:
                stream.write(b"late")
                stream.end()
        print("exited:", process.exitCode, "ended:", [name for name, _ in results[1:]])
        reactor.stop()

    # A process ends before the last of what it wrote is read.
    defer.gatherResults([worker.whenExited(), *ends]).addCallback(exited)


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


def inside() -> None:
    """
    Answer on every stream, by C{cluster.worker.process}.
    """
    process = cluster.worker.process
    print("printed", end=", ")

    process.stderr.write(b"pipes: %r" % [bool(stream) for stream in process.stdio])
    process.stderr.end()
    answered = [
        whole(process.stdin).addCallback(
            lambda said: process.stdout.write(said + b" back")
        ),
        whole(process.stdio[4]).addCallback(
            lambda said: process.stdio[4].write(said + b" pong")
        ),
    ]
    defer.gatherResults(answered).addCallback(lambda _: cluster.worker.disconnect())


if cluster.isPrimary:
    primary()
elif sys.argv[1:] == ["inside"]:
    inside()
else:
    worker()
reactor.run()
