"""
A Klein application; C{--listen} serves it, as any other web resource::

    $ twistd -n cluster --workers 4 --listen tcp:8080:interface=127.0.0.1 guestbook:app

What it remembers, it keeps in memory, so each worker remembers its own guests.
Two that come one after the other see two different books::

    $ curl --silent --data name=Ada http://127.0.0.1:8080/guests
    process 4711 has met Ada
    $ curl --silent --data name=Grace http://127.0.0.1:8080/guests
    process 4712 has met Grace

Whoever stays connected stays with one worker::

    $ curl --silent --data name=Joan http://127.0.0.1:8080/guests --next --silent http://127.0.0.1:8080/guests
    process 4713 has met Joan
    process 4713 has met Joan
"""

from __future__ import annotations

import os

from klein import Klein
from twisted.web.iweb import IRequest

app = Klein()
guests: list[str] = []


@app.route("/guests", methods=["GET"])
def read(request: IRequest) -> str:
    """
    Tell who was here.
    """
    return f"process {os.getpid()} has met {', '.join(guests) or 'nobody'}\n"


@app.route("/guests", methods=["POST"])
def sign(request: IRequest) -> str:
    """
    Remember one more guest.
    """
    guests.append(request.args[b"name"][0].decode())
    return read(request)
