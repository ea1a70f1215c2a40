"""
What Node's tests of C{cluster} assert, asserted of this package.

  - L{tests.conformance.programs}: running a program that is primary and, forked,
    worker; and what such programs are written with.
  - L{tests.conformance.catalogue}: every test of Node's, and what has become of
    it here.
  - C{python -m tests.conformance.reactors}: runs every case on every reactor.
  - C{python -m tests.conformance}: writes C{docs/project/conformance.rst} anew.

Each case is a module, named after Node's file, which is test and program in
one: L{tests.conformance.programs.ProgramTests} runs the file itself.  How a case
differs from Node's is in the module's C{ADAPTED}, and why one fails in its
C{FAILING}.
"""
