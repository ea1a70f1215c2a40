"""
The programs that are measured.

Each is an ordinary program for Twisted or for Node that knows nothing of the
benchmarks but a folder to leave a note in.  Each is started by its path.
"""
