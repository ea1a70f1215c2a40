"""
A WSGI application, served by Twisted's own web server, C{twistd web}::

    $ PYTHONPATH=. twistd -n cluster --workers 4 web --listen tcp:8080:interface=127.0.0.1 --wsgi wsgi.application

C{twistd web} runs it in threads, which share one core; the workers do not::

    $ curl --silent http://127.0.0.1:8080/
    process 4711 answers 127.0.0.1
    $ curl --silent http://127.0.0.1:8080/
    process 4712 answers 127.0.0.1
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any


def application(
    environ: dict[str, Any], start_response: Callable[..., object]
) -> Iterable[bytes]:
    """
    Tell which process answers, and whom.
    """
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"process {os.getpid()} answers {environ['REMOTE_ADDR']}\n".encode()]
