"""
Running in a worker what the primary ordered.

What runs here has the process to itself, and should not notice that it is in a
worker: C{sys.argv}, C{sys.path}, C{__main__}, tracebacks and exit status are
those of the same program run alone.
"""

from __future__ import annotations

import importlib
import io
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType

from twisted.logger import ILogObserver
from twisted.python.components import Componentized

from twisted_cluster._run import applications, childlog, interpreter
from twisted_cluster._run.orders import ProgramKind, WorkerOrders
from twisted_cluster.errors import NotAWorker, TargetError

_TWISTD = (
    "twistd",
    "--nodaemon",
    "--pidfile=",
    # An application with a process name would have twistd start the
    # interpreter afresh, without our hooks.
    "--originalname",
)

_OBSERVER = f"{childlog.__name__}.{childlog.observer.__name__}"

_OUR_FILES = {__file__, applications.__file__, importlib.__file__}

_ordered: WorkerOrders | None = None
"""
What L{loadOrderedApplication} shall load: twistd can carry a file's name, but
nothing more.
"""


def runProgram(words: Sequence[str]) -> None:
    """
    Run the program, and return when it has ended.

    @param words: The orders, as L{WorkerOrders.toWords} writes them.

    @raise SystemExit: with the program's own exit status, if it is not 0; with
        1 if the program failed.  Then what there is to say was said, on
        standard error.
    """
    orders = WorkerOrders.fromWords(words)
    primaryPath = interpreter.takeSysPath()
    if orders.kind in (ProgramKind.SCRIPT, ProgramKind.MODULE):
        _becomeAsOrdered(orders)
    elif primaryPath is not None:
        sys.path[:] = primaryPath
    _writeLinesAtOnce()
    runners = {
        ProgramKind.TWISTD: _runPlugin,
        ProgramKind.TAC: _runApplication,
        ProgramKind.ATTRIBUTE: _runApplication,
        ProgramKind.SCRIPT: _runScript,
        ProgramKind.MODULE: _runModule,
    }
    _reporting(lambda: runners[orders.kind](orders))


def _writeLinesAtOnce() -> None:
    """
    Have output written as on a terminal.  It goes to a pipe, for the
    primary's log; lines that wait in a buffer would come with a wrong time, or
    never.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _reporting(run: Callable[[], None]) -> None:
    """
    Report an exception as the interpreter would if the program ran alone.
    """
    try:
        run()
    except TargetError as problem:
        raise SystemExit(f"{problem}") from None
    except Exception as problem:
        # The hook may be the application's.
        shown = problem.with_traceback(_withoutUs(problem.__traceback__))
        sys.excepthook(type(shown), shown, shown.__traceback__)
        raise SystemExit(1) from None


def _withoutUs(traceback: TracebackType | None) -> TracebackType | None:
    """
    Leave out the frames that lead from us into the program.
    """
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if name not in _OUR_FILES and not name.startswith("<frozen importlib"):
            break
        traceback = traceback.tb_next
    return traceback


# -- what twistd runs


def _runPlugin(orders: WorkerOrders) -> None:
    _runTwistd(orders, [f"--logger={_OBSERVER}", *orders.program])


def _runApplication(orders: WorkerOrders) -> None:
    global _ordered  # noqa: PLW0603
    _ordered = orders
    file = os.path.join(os.path.dirname(__file__), "workerapplication.py")
    _runTwistd(orders, [f"--python={file}"])


def _runTwistd(orders: WorkerOrders, arguments: Sequence[str]) -> None:
    options = [
        f"--{name}={value}"
        for name, value in (
            ("reactor", orders.reactor),
            ("uid", orders.uid),
            ("gid", orders.gid),
            ("rundir", orders.rundir),
            ("umask", None if orders.umask is None else f"{orders.umask:o}"),
        )
        if value is not None
    ]
    sys.argv[:] = [*_TWISTD, *options, *arguments]
    from twisted.scripts.twistd import run

    run()


def loadOrderedApplication() -> Componentized:
    """
    Load the application that the primary ordered; for C{twistd -y}.

    @raise NotAWorker: if no primary ordered one.
    """
    orders = _ordered
    if orders is None:
        raise NotAWorker("only a worker has orders to load an application")
    loaded: list[Componentized] = []
    _reporting(lambda: loaded.append(_load(orders)))
    [application] = loaded
    _logForThePrimary(application)
    return application


def _load(orders: WorkerOrders) -> Componentized:
    [reference] = orders.program
    if orders.kind is ProgramKind.TAC:
        return applications.loadTac(reference)
    # As if run by python -m: most applications are tried where they lie.
    sys.path.insert(0, os.getcwd())
    target = applications.loadAttribute(reference)
    return applications.applicationFor(target, reference, orders.listen)


def _logForThePrimary(application: Componentized) -> None:
    """
    Log on standard output, unless the application logs in its own way.  (What
    C{twistd --logger} names comes before the application's observer, so it is
    of no use here.)
    """
    from twisted.python.log import ILogObserver as ILegacyLogObserver

    for interface in (ILogObserver, ILegacyLogObserver):
        if application.getComponent(interface, None) is not None:
            return
    application.setComponent(ILogObserver, childlog.observer())


# -- what runs by itself


def _becomeAsOrdered(orders: WorkerOrders) -> None:
    """
    Do what twistd does for the others, with the same words.
    """
    if orders.reactor is not None:
        _preferReactor(orders.reactor)
    if orders.rundir is not None:
        os.chdir(orders.rundir)
    if orders.umask is not None:
        os.umask(orders.umask)
    if orders.uid is not None or orders.gid is not None:
        _becomeUser(orders.uid, orders.gid)


def _becomeUser(uid: int | None, gid: int | None) -> None:
    # Not everywhere; the plugin refuses where it is not.
    import pwd

    from twisted.python.util import switchUID

    try:
        if gid is None and uid is not None:
            gid = pwd.getpwuid(uid).pw_gid
        switchUID(uid, gid)
    except (KeyError, OSError) as problem:
        raise SystemExit(f"cannot become uid {uid}, gid {gid}: {problem}") from None


def _preferReactor(name: str) -> None:
    """
    Make a reactor the default one.  It is not installed: the program may
    install its own, which would fail if there was one already.
    """
    from twisted.application.reactors import installReactor
    from twisted.internet import default

    def install() -> None:
        installReactor(name)

    default.install = install


def _runScript(orders: WorkerOrders) -> None:
    path = orders.program[0]
    sys.argv[:] = orders.program
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    main = ModuleType("__main__")
    main.__file__ = path
    main.__loader__ = SourceFileLoader("__main__", path)
    main.__package__ = None
    main.__dict__["__cached__"] = None
    sys.modules["__main__"] = main
    with io.open_code(path) as file:
        source = file.read()
    code = compile(source, path, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _runModule(orders: WorkerOrders) -> None:
    sys.argv[:] = orders.program
    runpy.run_module(orders.program[0], run_name="__main__", alter_sys=True)
