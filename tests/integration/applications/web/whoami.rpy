"""
Says who serves the request, and sends back what was posted.
"""

import json
import os

from twisted.web.resource import Resource


class WhoAmI(Resource):
    isLeaf = True

    def render_GET(self, request):
        peer = request.getClientAddress()
        answer = {
            "pid": os.getpid(),
            "peer": [peer.host, peer.port],
            "secure": request.isSecure(),
            "version": request.clientproto.decode(),
        }
        return json.dumps(answer).encode()

    def render_POST(self, request):
        request.setHeader(b"x-served-by", b"%d" % os.getpid())
        return request.content.read()


resource = WhoAmI()
