r"""
An echo with a reactor of its own, as many a program has it: a script that
listens, and runs the reactor until it is stopped.

It would run by itself as C{python echo.py --port 8080}; on several workers::

    $ twistd -n cluster --workers 4 echo.py --port 8080

The lines of one client are answered by one worker; another client may get
another one::

    $ exec 3<> /dev/tcp/127.0.0.1/8080; printf 'one\r\ntwo\r\n' >&3; head -n 2 <&3
    4711: one
    4711: two
    $ exec 3<> /dev/tcp/127.0.0.1/8080; printf 'three\r\n' >&3; head -n 1 <&3
    4712: three
"""

from __future__ import annotations

import argparse
import os
import sys

from twisted.internet.protocol import ServerFactory
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver


class Echo(LineReceiver):
    """
    Sends each line back, with the number of this process.
    """

    def lineReceived(self, line: bytes) -> None:
        """
        Send it back.
        """
        self.sendLine(b"%d: %s" % (os.getpid(), line))


def main() -> None:
    """
    Listen, and serve until stopped.
    """
    parser = argparse.ArgumentParser(description="echo lines")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)])

    from twisted.internet import reactor

    factory = ServerFactory()
    factory.protocol = Echo
    reactor.listenTCP(arguments.port, factory, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
