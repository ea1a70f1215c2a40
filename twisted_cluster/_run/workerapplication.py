"""
The file that the twistd inside a worker is told to run, with C{twistd -y}.

With it the real C{.tac} file, or C{package.module:attribute}, is loaded by us
instead of by twistd: then a mistake is reported as Python reports it, and the
application logs for the primary unless it has an observer of its own.

This is no module to import: it can only be loaded in a worker.
"""

from __future__ import annotations

from twisted_cluster._run import program

application = program.loadOrderedApplication()
