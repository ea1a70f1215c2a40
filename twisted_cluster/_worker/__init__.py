"""
The worker's side: it runs the application, on ports that it borrows.

Here is how a worker process gets ready, its link to the primary, the ports
that it has borrowed from there, and how it drains when it is asked to leave.
The reactor that the application sees is not here: it is made in
L{twisted_cluster._reactor}, and meets this side in
L{twisted_cluster.interfaces}.
"""
