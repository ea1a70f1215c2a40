"""
The primary's side: it owns the ports, and knows its workers.

Here is the cluster, which carries out what L{twisted_cluster._supervision}
decides; the primary's picture of a worker, and its link to it; the table of
ports; and how accepted connections wait for a worker and go to one.  It opens
ports and starts processes only through L{twisted_cluster.interfaces}, never
itself, and it never runs a line of the application.
"""
