"""
Twisted's own test suites, run inside a worker.

Twisted's tests are the best description there is of what a listening port does.
Here they run as a worker's program: on a layered reactor, with every port
borrowed from a primary.  The same tests run on the same machine without a
cluster; a test that passes there has to pass here, unless it is a named exception.

  - L{catalogue}: which suites there are;
  - L{exceptions}: which tests differ, and why;
  - L{outcomes}: what the tests of one run came to, and how two runs compare;
  - L{trialprogram}: what both runs run: trial, writing down each test's outcome;
  - L{builtreactors}: the reactors that C{ReactorBuilder}'s tests build, layered
    as the global one is;
  - L{surroundings}: the ways to run it: alone, in a worker, and outside of any
    with the C{cluster} reactor plugin;
  - L{comparing}: all runs of a suite, compared.

C{python -m tests.suites [--fast] [SUITE...]} runs them.
"""
