"""
A .tac file as they have always been.
"""

import os

from twisted.application import internet, service
from twisted.internet import protocol


class WhoAmI(protocol.Protocol):
    def connectionMade(self):
        answer = '{"pid": %d, "peer": ["%s", %d]}\n'
        peer = self.transport.getPeer()
        self.transport.write((answer % (os.getpid(), peer.host, peer.port)).encode())
        self.transport.loseConnection()


application = service.Application("tcpserver")
factory = protocol.Factory.forProtocol(WhoAmI)
internet.TCPServer(0, factory, interface="127.0.0.1").setServiceParent(application)
