"""
Every test of Node's that is about C{cluster}, and what has become of it here.

Only names are listed, and why some do not apply.  The rest is known by looking:
a case has a module of its name, and what differs is said there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from attrs import field, frozen

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "project" / "conformance.rst"


class Status(Enum):
    """
    What has become of a case.
    """

    PASSES = "passes"
    ADAPTED = "adapted"
    FAILING = "fails"
    NOT_APPLICABLE = "not applicable"
    MISSING = "missing"


@frozen
class Case:
    """
    A test of Node's.

    @ivar name: Its file's name, without what it ends in.
    @ivar section: Where Node has it.
    @ivar notApplicable: Why there is nothing like it here; empty if there is.
    """

    name: str
    section: str
    notApplicable: str = field(default="", kw_only=True)

    @property
    def module(self) -> str:
        """
        The name of the module that has it.
        """
        return self.name.replace("-", "_")

    def become(self) -> tuple[Status, str]:
        """
        What has become of it, and why.
        """
        if self.notApplicable:
            return Status.NOT_APPLICABLE, self.notApplicable
        name = f"{__package__}.{self.module}"
        if find_spec(name) is None:
            return Status.MISSING, ""
        module = import_module(name)
        failing: str = getattr(module, "FAILING", "")
        adapted: str = getattr(module, "ADAPTED", "")
        if failing:
            return Status.FAILING, failing
        return (Status.ADAPTED, adapted) if adapted else (Status.PASSES, "")


def _cases() -> Iterator[Case]:
    for section, prefix, names in _NAMES:
        for name in names.split():
            full = prefix + name
            yield Case(full, section, notApplicable=_NOT_APPLICABLE.get(full, ""))


_PARALLEL = "test/parallel/test-cluster-*"
_SEQUENTIAL = "test/sequential"
_NEIGHBOURS = "Others in test/parallel, and test/known_issues"
_CHILDREN = "test/parallel/test-child-process-*"

_NAMES = (
    (
        _PARALLEL,
        "test-cluster-",
        """
        accept-fail advanced-serialization basic bind-privileged-port bind-twice
        call-and-destroy child-index-dgram child-index-net concurrent-disconnect
        cwd dgram-1 dgram-2 dgram-bind-fd dgram-ipv6only dgram-reuse
        dgram-reuseport disconnect disconnect-before-exit
        disconnect-exitedAfterDisconnect-race disconnect-handles
        disconnect-idle-worker disconnect-leak disconnect-race
        disconnect-unshared-tcp disconnect-unshared-udp
        disconnect-with-no-workers eaccess eaddrinuse fork-env fork-stdio
        fork-windowsHide http-pipe invalid-message ipc-throw kill-disconnect
        kill-infinite-loop listen-pipe-readable-writable listening-port message
        net-listen net-listen-backlog net-listen-ipv6only-false
        net-listen-relative-path net-reuseport net-send
        net-server-drop-connection primary-error primary-kill
        process-disconnect rr-domain-listen rr-handle-close
        rr-handle-keep-loop-alive rr-handle-ref-unref rr-ref send-deadlock
        send-handle-twice send-socket-to-worker-http-server
        server-restart-none server-restart-rr setup-primary setup-primary-argv
        setup-primary-cumulative setup-primary-emit setup-primary-multiple
        shared-handle-bind-error shared-handle-bind-privileged-port shared-leak
        uncaught-exception worker-constructor worker-death worker-deprecated
        worker-destroy worker-disconnect worker-disconnect-on-error
        worker-events worker-exit worker-forced-exit worker-handle-close
        worker-init worker-isconnected worker-isdead worker-kill
        worker-kill-signal worker-no-exit worker-wait-server-close
        """,
    ),
    (
        _SEQUENTIAL,
        "test-cluster-",
        """
        net-listen-ipv6only-none net-listen-ipv6only-rr
        send-handle-large-payload port-reuse-between-workers
        listen-twice-same-port inspect-brk
        """,
    ),
    (
        _SEQUENTIAL,
        "test-",
        """
        inspector-cluster inspector-port-cluster net-listen-shared-ports
        dgram-bind-shared-ports child-process-pass-fd
        """,
    ),
    (
        _NEIGHBOURS,
        "test-",
        """
        net-listen-exclusive-random-ports net-listen-twice
        net-server-close-before-ipc-response net-listen-handle-in-cluster-1
        net-listen-handle-in-cluster-2 listen-fd-cluster
        dgram-bind-socket-close-before-cluster-reply dgram-cluster-bind-error
        dgram-cluster-close-during-bind dgram-cluster-close-in-listening
        dgram-unref-in-cluster dgram-exclusive-implicit-bind
        http-server-drop-connections-in-cluster net-server-drop-connections
        net-server-max-connections tls-ticket-cluster
        dgram-bind-shared-ports-after-port-0
        """,
    ),
    (
        _CHILDREN,
        "test-child-process-",
        """
        send-after-close send-cb send-keep-open send-returns-boolean
        send-type-error send-utf8 internal ipc-next-tick recv-handle disconnect
        fork-closed-channel-segfault fork-net fork-net-server fork-net-socket
        fork-dgram fork-getconnections fork-ref fork-ref2 server-close
        fork-close advanced-serialization advanced-serialization-largebuffer
        advanced-serialization-splitted-length-field
        fork-advanced-header-serialization
        """,
    ),
)

_INSPECTOR = "It is about the ports of Node's debugger."

_NOT_APPLICABLE = {
    "test-cluster-fork-windowsHide": "It is about windows of Windows.",
    "test-cluster-rr-domain-listen": (
        "Twisted has no domains; apart from them it is test-cluster-listening-port."
    ),
    "test-cluster-disconnect-handles": _INSPECTOR,
    "test-cluster-inspect-brk": _INSPECTOR,
    "test-inspector-cluster": _INSPECTOR,
    "test-inspector-port-cluster": _INSPECTOR,
    "test-cluster-worker-deprecated": (
        "It is about C{worker.suicide}, a name that Node has removed."
    ),
}

CASES = tuple(_cases())
"""
Every case, in Node's order.
"""


def page() -> str:
    """
    @return: The page of the documentation that lists the cases.
    """
    become = [(case, *case.become()) for case in CASES]
    counts = ", ".join(
        f"{number} {status.value}"
        for status in Status
        if (number := sum(which is status for _, which, _ in become))
    )
    lines = [
        "Node's tests",
        "============",
        "",
        ".. Written by ``python -m tests.conformance``.",
        "",
        "What the tests of Node's ``cluster`` assert is asserted of this package,",
        "in ``tests/conformance``, in modules named after Node's files.  What is",
        "adapted keeps the scenario, and differs where the two programs must.  Two",
        "differences are everywhere: a Twisted program does not end by itself when",
        "nothing is left to do, so that workers disconnect where Node's just end; and",
        "``disconnect`` and ``send`` return Deferreds.",
        "",
        "The counts below are the same on epoll, poll, select and asyncio;",
        "``tox run -e reactors`` runs every case on each of them, and prints how many",
        "tests pass.  The tests of every change are all cases on epoll, and on the",
        "others those that have most to do with the reactor.",
        "",
        f"{len(become)} cases: {counts}.",
        "",
    ]
    for section in dict.fromkeys(case.section for case in CASES):
        lines += [section, "-" * len(section), "", ".. list-table::"]
        lines += ["   :header-rows: 1", "   :widths: 35 15 50", ""]
        lines += ["   * - Case", "     - Here", "     - Why"]
        for case, status, why in become:
            if case.section == section:
                text = re.sub(r"[CL]\{([^}]*)\}", r"``\1``", " ".join(why.split()))
                lines += [f"   * - ``{case.name}``", f"     - {status.value}"]
                lines += [f"     - {text}".rstrip()]
        lines.append("")
    return "\n".join(lines)
