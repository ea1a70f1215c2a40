"""
The reactor that C{--reactor=cluster} names.

In a worker every reactor is layered as it is installed, so there is nothing to
do here but to install the usual one; outside of a worker it simply is the usual
one.  A command line that has C{--reactor=cluster} means the same in both.
"""

from __future__ import annotations


def install() -> None:
    """
    Install Twisted's default reactor for this platform.
    """
    from twisted.internet import default

    default.install()
