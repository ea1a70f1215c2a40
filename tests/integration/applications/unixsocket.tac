"""
A .tac file that serves on a UNIX socket, whose path the environment says.
"""

import os

from twisted.application import service, strports
from twisted.internet import protocol


class WhoAmI(protocol.Protocol):
    def connectionMade(self):
        self.transport.write(b'{"pid": %d}\n' % os.getpid())
        self.transport.loseConnection()


application = service.Application("unixsocket")
factory = protocol.Factory.forProtocol(WhoAmI)
description = "unix:" + os.environ["SOCKET"] + ":mode=600"
strports.service(description, factory).setServiceParent(application)
