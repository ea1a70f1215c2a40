"""
The edge to Twisted and to the kernel.

Only this package spawns, binds, accepts, adopts, catches signals, or touches
private names of Twisted.  Here are the layer over whichever reactor the
application uses, the subclasses of Twisted's ports, and the transport that
carries descriptors.  It decides nothing: what to open and who gets a
connection is told to it by the other sides, through
L{twisted_cluster.interfaces}.
"""
