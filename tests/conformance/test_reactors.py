"""
Cases that are run on every reactor, since it matters to them which one it is.

All others are run on epoll only; C{python -m tests.conformance.reactors} runs
all cases on all reactors.
"""

from __future__ import annotations

from importlib import import_module

from tests.conformance.programs import REACTORS, ProgramTests

NAMES = (
    # Connections: handed off, shared, refused.
    "cluster_basic",
    "cluster_accept_fail",
    "cluster_server_restart_none",
    "cluster_shared_leak",
    # UDP, UNIX sockets, descriptors of the primary's.
    "cluster_dgram_1",
    "cluster_http_pipe",
    "listen_fd_cluster",
    # Leaving, and being killed: in a turn of the reactor, or in none.
    "cluster_disconnect",
    "cluster_kill_infinite_loop",
    "cluster_primary_kill",
    "cluster_worker_wait_server_close",
    # Messages: large ones, last ones, with handles.
    "child_process_fork_net",
    "child_process_send_cb",
    "cluster_send_deadlock",
    "cluster_send_handle_large_payload",
)


def _define() -> None:
    """
    Give this module a class of tests for each case and reactor.
    """
    for reactor in REACTORS[1:]:
        for name in NAMES:
            module = import_module(f"tests.conformance.test_{name}")
            for tests in list(vars(module).values()):
                if not isinstance(tests, type) or tests is ProgramTests:
                    continue
                if issubclass(tests, ProgramTests):
                    title = f"{tests.__name__}On{reactor.capitalize()}"
                    # They run the module that they are said to be from.
                    body = {"reactorName": reactor, "__module__": tests.__module__}
                    globals()[title] = type(title, (tests,), body)


_define()
