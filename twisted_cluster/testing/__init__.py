"""
Processes, channels and sockets that are only in memory.

Doubles for testing, of this package and of programs and policies that use it:
small real implementations of L{twisted_cluster.interfaces}, stepped by hand,
with no kernel and no clock in them.  They know the interfaces and the wire,
and neither the primary's side nor the worker's, so that both can be tested
against them.
"""
