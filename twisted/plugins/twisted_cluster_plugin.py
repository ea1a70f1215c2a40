"""
What twistd, twist and trial find of twisted-cluster.

They import this file whenever they list plugins, so it imports nothing of the
package; the modules are named, and imported when they are used.
"""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

# Twisted caches what it finds under these names: they cannot change.
twistedClusterService = ServiceMaker(
    "Twisted Cluster",
    "twisted_cluster._run.plugin",
    "Run any program on several processes behind one port.",
    "cluster",
)

twistedClusterReactor = Reactor(
    "cluster",
    "twisted_cluster._reactor.plugin",
    "The default reactor, with the cluster's ports in a worker.",
)
