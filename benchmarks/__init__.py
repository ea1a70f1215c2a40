"""
The figures of the project, each printed by one command.

They need Linux, Python with the project installed, and Node on the C{PATH} for
what is compared with its cluster (without it, that part is skipped)::

    python -m benchmarks                 all of them, one after the other
    python -m benchmarks.connections     connections/s and processor time of each
    python -m benchmarks.fairness        how evenly connections are spread
    python -m benchmarks.listening       how long listens and starts take
    python -m benchmarks.many            64 workers at once: whether all serve
    python -m benchmarks.messages        how many messages go back and forth

C{--help} says what a command measures, how to read what it prints, and what its
exit code means.

What is compared runs interleaved in the same minutes on the same machine, so
I{ratios} are what to read and to quote; numbers by themselves belong to the
machine, and to whatever else it did meanwhile.  Where the spread from least to
greatest is wide, the machine was busy: run it again.  Processor time is steadier
than connections per second, which also depend on how many processors primary,
workers and client have to share.

The modules:

  - L{benchmarks.connections}, L{benchmarks.fairness}, L{benchmarks.listening},
    L{benchmarks.many}, L{benchmarks.messages}: the commands
  - L{benchmarks.competitors}: what is compared, and its command lines
  - L{benchmarks.processes}: starts them, reads their processor time, and leaves
    nothing behind
  - L{benchmarks.load}: the client
  - L{benchmarks.figures}: spreads, ratios and tables
  - L{benchmarks.servers}: the measured programs, for Twisted and for Node
"""
