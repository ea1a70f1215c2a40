"""
A cluster under load and under faults, for minutes or hours, and an oracle that
accounts for every single connection.

    python -m tests.chaos.soak --minutes 2 --seed 7

  - L{tests.chaos.soak.plan}: which faults there are, drawn from a seed.
  - L{tests.chaos.soak.course}: carries them out, on workers that suit.
  - L{tests.chaos.soak.primary}, L{tests.chaos.soak.application}: the cluster that
    they happen to, and what its workers run; C{twin.js} is both on Node.
  - L{tests.chaos.soak.steering}: starts the primary, and tells it what to do.
  - L{tests.chaos.soak.client}: the load; each connection has a number, which its
    address tells, too: L{tests.chaos.soak.numbering}.
  - L{tests.chaos.soak.ledgers}: files in which clients and workers write down what
    becomes of each connection, so that no SIGKILL can unsay it.
  - L{tests.chaos.soak.oracle}: compares the two, and says what must not be.
  - L{tests.chaos.soak.readings}: descriptors, memory and children of a process.
  - L{tests.chaos.soak.report}: the table.
"""
