"""
A Klein application, as in Klein's own tutorial.
"""

from __future__ import annotations

import json
import os
from typing import Any

from klein import Klein

app = Klein()


@app.route("/")
def home(request: Any) -> bytes:
    """
    Who serves it.
    """
    peer = request.getClientAddress()
    return json.dumps({"pid": os.getpid(), "peer": [peer.host, peer.port]}).encode()


@app.route("/length", methods=["POST"])
async def length(request: Any) -> str:
    """
    How much was posted.
    """
    return str(len(request.content.read()))


resource = app.resource
