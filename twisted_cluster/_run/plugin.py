"""
C{twistd cluster [options] TARGET [ARGS]}: the command line of a primary.

Everything is checked while the options are parsed, before anything is
daemonized; nothing listens and nothing is started before the service is.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from twisted.application.service import IService, IServiceMaker
from twisted.logger import Logger
from twisted.plugin import getPlugins
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from twisted_cluster._run.bindings import parseBinding
from twisted_cluster._run.cpucount import countWorkers
from twisted_cluster._run.interpreter import currentInterpreterFlags, workerEnvironment
from twisted_cluster._run.optionvalues import (
    AUTO,
    firstDelay,
    group,
    positive,
    reading,
    seconds,
    user,
    workerCount,
)
from twisted_cluster._run.orders import WorkerOrders
from twisted_cluster._run.target import (
    AttributeTarget,
    PluginTarget,
    Target,
    resolveTarget,
)
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.listening import ListenRequest
from twisted_cluster.permissions import PortPattern
from twisted_cluster.settings import (
    ClusterSettings,
    HandoffSettings,
    PortSettings,
    SchedulingPolicy,
    SupervisionSettings,
    WorkerProgram,
)

TAPNAME = "cluster"

SETTING_OF_OPTION = {
    "workers": "workers",
    "policy": "policy",
    "threshold": "supervision.threshold",
    "killtime": "supervision.killTime",
    "orphan-time": "supervision.orphanTime",
    "minrestartdelay": "supervision.minRestartDelay",
    "maxrestartdelay": "supervision.maxRestartDelay",
    "queue-limit": "handoff.queueLimit",
    "window": "handoff.window",
    "blocked-after": "handoff.blockedAfter",
    "insured": "handoff.insured",
    "allow-listen": "ports.mayListen",
    "port-limit": "ports.limit",
    "backlog": "ports.backlog",
    "uid": "program.uid",
    "gid": "program.gid",
}
"""
Which option sets which field of L{ClusterSettings}.

C{uid} and C{gid} reach the worker in its orders, and C{program} has none: a
worker starts as who the primary is, and becomes the other after its privileged
start.  C{orphan-time} is in the orders, too: then nobody else can say it.
"""

SETTINGS_WITHOUT_OPTION = frozenset(
    {
        # These follow from the target, and from where the primary was started.
        "program.arguments",
        "program.environment",
        "program.cwd",
        # The primary always reads what workers write: it may be a daemon.
        "program.stdio",
        # Programs have objects; a command line has none.
        "handoff.newPolicy",
        # What runs here knows nothing of messages.
        "program.serialization",
    }
)

OPTIONS_WITHOUT_SETTING = frozenset({"bind", "listen", "help", "version"})

_SYNOPSIS = "[options] TARGET [ARGS]"

_EXPLANATION = """
TARGET is what every worker runs, unchanged:
  web, dns, ...         an installed twistd plugin, with its own options
  site.tac              a file that defines an application
  app.py, bin/app       a Python program that runs its own reactor
  -- -m package.module  the same, as a module
  package.module:name   a service, an application, a callable that takes the
                        reactor, or (with --listen) a web resource

Whatever they listen on is opened by this process, which hands each connection
to one of them in turn, and replaces those that end.

Examples:
  twistd -n cluster --workers 4 web --listen tcp:8080 --path .
  twistd -n cluster -w auto site.tac
  twistd -n cluster --listen tcp:8080 package.module:resource
  twistd cluster --uid www --gid www --bind tcp:80 app.py --port 80
  twistd -n cluster -w 2 -- -m package.module --port 8080
"""


class Options(UsageOptions):
    """
    The options of C{twistd cluster}.

    @ivar target: What the workers run, once the options are parsed.
    @ivar settings: The settings that the options make, likewise.
    @ivar bindings: What to listen on early, likewise.
    @ivar countedHow: How C{auto} counted the workers; empty if it did not.
    """

    synopsis = _SYNOPSIS
    # What there is to say needs its line breaks: see getUsage.
    longdesc = ""

    target: Target
    settings: ClusterSettings
    bindings: tuple[ListenRequest, ...]
    countedHow = ""

    optParameters = [
        [
            "workers",
            "w",
            None,
            (
                "How many workers to run, or auto: one for each CPU that this process may "
                "use. [default: the environment's WEB_CONCURRENCY, else auto]"
            ),
            reading("workers", workerCount),
        ],
        [
            "policy",
            None,
            None,
            (
                "Who accepts connections. rr: this process, and hands them to the workers "
                "in turn. none: the workers accept for themselves, and the kernel picks "
                "one. [default: the environment's TWISTED_CLUSTER_SCHED_POLICY, else rr]"
            ),
            reading("policy", SchedulingPolicy.named),
        ],
        [
            "uid",
            None,
            None,
            (
                "The user, by name or number, to run the workers as. This process keeps its "
                "own, so that it can open privileged ports for them."
            ),
            reading("uid", user),
        ],
        [
            "gid",
            None,
            None,
            "The group to run the workers as. If not given, the user's own.",
            reading("gid", group),
        ],
        [
            "threshold",
            "t",
            1.0,
            "A worker that ran for at least so many seconds is replaced without delay.",
            reading("threshold", seconds),
        ],
        [
            "killtime",
            "k",
            5.0,
            "How long, in seconds, a worker may take to end before it is killed.",
            reading("killtime", seconds),
        ],
        [
            "orphan-time",
            None,
            0.0,
            (
                "If this process is killed, how many seconds its workers may take to finish "
                "with their clients before they are killed, too."
            ),
            reading("orphan-time", seconds),
        ],
        [
            "minrestartdelay",
            "m",
            1.0,
            (
                "How many seconds to wait before replacing a worker that did not run for "
                "--threshold; doubled each time that this happens again."
            ),
            reading("minrestartdelay", firstDelay),
        ],
        [
            "maxrestartdelay",
            "M",
            3600.0,
            "The longest delay before a worker is replaced, in seconds.",
            reading("maxrestartdelay", seconds),
        ],
        [
            "queue-limit",
            None,
            1024,
            "How many connections to keep for a port while no worker can take them.",
            reading("queue-limit", positive),
        ],
        [
            "window",
            None,
            64,
            "How many connections may be on their way to one worker.",
            reading("window", positive),
        ],
        [
            "blocked-after",
            None,
            0.5,
            (
                "Give no connections to a worker whose reactor has not turned for so many "
                "seconds, until it does, and give those that it has not read to others. 0 "
                "disables the check."
            ),
            reading("blocked-after", seconds),
        ],
        [
            "backlog",
            None,
            None,
            (
                "How many connections the kernel shall keep for each port  [default: what "
                "the application asks for]"
            ),
            reading("backlog", positive),
        ],
        [
            "port-limit",
            None,
            512,
            "How many ports may be open at a time.",
            reading("port-limit", positive),
        ],
    ]

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """
        @param environment: Where defaults come from, and what workers inherit.
        """
        UsageOptions.__init__(self)
        for name in ("bind", "listen", "allow-listen", "insured"):
            # Twisted shows the docstrings, line breaks and all.
            self.docs[name] = " ".join(self.docs[name].split())
        self._environment = environment
        self._directory = os.getcwd()
        self._target: str | None = None
        self._arguments: tuple[str, ...] = ()
        self["bind"] = []
        self["listen"] = []
        self["allow-listen"] = None
        self["insured"] = False

    def opt_bind(self, description: str) -> None:
        """
        Open this endpoint, for example tcp:80, before any worker starts. Can be
        given more than once.
        """
        self["bind"].append(description)

    def opt_listen(self, description: str) -> None:
        """
        An endpoint to serve a web resource on, for example tcp:8080; only if
        TARGET is one. Can be given more than once.
        """
        self["listen"].append(description)

    def opt_insured(self) -> None:
        """
        Keep a descriptor of each connection until its worker reads or writes the
        first byte; if the worker is lost before, another worker serves it.
        """
        self["insured"] = True

    def opt_allow_listen(self, pattern: str) -> None:
        """
        A port that the workers may listen on, for example tcp:8080,
        tcp:8000-8099, unix:/run/site/* or fd:3. Can be given more than once; the
        ports of --bind need none. [default: all ports are allowed]
        """
        allowed = self["allow-listen"] or []
        allowed.append(reading("allow-listen", PortPattern.parse)(pattern))
        self["allow-listen"] = allowed

    def parseArgs(self, target: str | None = None, *arguments: str) -> None:
        """
        Take the target, and leave everything behind it to it.
        """
        self._target = target
        self._arguments = arguments

    def postOptions(self) -> None:
        """
        Check everything, and make the settings.
        """
        _requirePlatform()
        if self._target is None:
            raise UsageError(
                "say what to run: a twistd plugin, a .tac file, a script, "
                "-- -m MODULE or package.module:attribute"
            )
        try:
            self._takeDefaults()
            self.target = self._resolve(self._target)
            self.bindings = tuple(
                parseBinding(description, self._runDirectory())
                for description in self["bind"]
            )
            self.settings = self._makeSettings()
        except ConfigurationError as problem:
            raise UsageError(str(problem)) from problem

    # -- help

    def getSynopsis(self) -> str:
        """
        Leave the target's place to the target when it has a synopsis itself.
        """
        self.synopsis = _SYNOPSIS if self.subCommand is None else "[options]"
        return super().getSynopsis()

    def getUsage(self, width: int | None = None) -> str:
        """
        Add the explanation as it is: Twisted would make one paragraph of it.
        """
        usage = super().getUsage(width)
        return usage if hasattr(self, "subOptions") else usage + _EXPLANATION

    # -- defaults and the outer command's options

    def _takeDefaults(self) -> None:
        if self["workers"] is None:
            self["workers"] = self._workersFromEnvironment()
        if self["policy"] is None:
            self["policy"] = SchedulingPolicy.fromEnvironment(self._environment)
        if self["workers"] == AUTO:
            count = countWorkers()
            self["workers"] = count.workers
            self.countedHow = count.reason

    def _workersFromEnvironment(self) -> int | str:
        """
        How many workers there are to be if no option says it.
        """
        try:
            return workerCount(self._environment.get("WEB_CONCURRENCY") or AUTO)
        except ValueError as problem:
            raise UsageError(
                f"the environment variable WEB_CONCURRENCY: {problem}"
            ) from problem

    def _outer(self, name: str) -> Any:
        """
        An option of C{twistd} or C{twist}, which have not all the same ones.
        """
        return None if self.parent is None else self.parent.get(name)

    def _runDirectory(self) -> str:
        """
        Where the program will be when it runs.
        """
        return os.path.abspath(
            os.path.join(self._directory, self._outer("rundir") or "")
        )

    def _reactorName(self) -> str | None:
        """
        The reactor that C{--reactor} chose, unless any worker has it anyway.
        """
        # twist has both, and there "reactor" is the reactor itself.
        name = self._outer("reactorName") or self._outer("reactor")
        return None if name in (None, "default", "cluster") else str(name)

    # -- the target

    def _resolve(self, name: str) -> Target:
        plugins = {plugin.tapname: plugin for plugin in getPlugins(IServiceMaker)}
        target = resolveTarget(name, self._arguments, plugins, self._directory)
        if isinstance(target, PluginTarget):
            if target.tapname == TAPNAME:
                raise UsageError("a cluster cannot run another cluster")
            self._checkWith(plugins[target.tapname], target)
        if self["listen"] and not isinstance(target, AttributeTarget):
            raise UsageError(
                "--listen is only for a web resource (package.module:attribute); "
                f"{name} says itself where it listens, so write its options behind it"
            )
        for description in self["listen"]:
            # Only to have what is wrong with it said now.
            parseBinding(description, self._runDirectory())
        return target

    def _checkWith(self, plugin: IServiceMaker, target: PluginTarget) -> None:
        """
        Have a plugin check its own arguments, or show its own help.
        """
        # Its synopsis comes behind ours, and its usage instead of ours.
        self.subCommand = target.tapname
        options = cast(Any, plugin).options()
        options.parent = self
        self.subOptions = options
        options.parseOptions(list(target.arguments))
        # The worker parses them again, for a service of its own.
        del self.subOptions

    # -- the settings

    def _makeSettings(self) -> ClusterSettings:
        return ClusterSettings(
            program=WorkerProgram(
                arguments=self._makeOrders().toArguments(currentInterpreterFlags()),
                environment=workerEnvironment(
                    self._environment, sys.path, self._directory
                ),
                cwd=self._directory,
            ),
            workers=self["workers"],
            policy=self["policy"],
            supervision=SupervisionSettings(**self._given("supervision")),
            handoff=HandoffSettings(**self._given("handoff")),
            ports=PortSettings(**self._given("ports")),
        )

    def _given(self, record: str) -> dict[str, Any]:
        """
        The fields of one of the settings' records that options set.
        """

        def fields() -> Iterator[tuple[str, Any]]:
            for option, setting in SETTING_OF_OPTION.items():
                owner, _, name = setting.rpartition(".")
                if owner == record:
                    yield name, self[option]

        return dict(fields())

    def _makeOrders(self) -> WorkerOrders:
        if self._outer("chroot"):
            raise UsageError(
                "--chroot cannot be used with cluster: workers are started behind it, "
                "where no Python is"
            )
        uid, gid = self._identity()
        rundir = self._runDirectory()
        return WorkerOrders(
            kind=self.target.kind,
            program=self.target.program,
            reactor=self._reactorName(),
            uid=uid,
            gid=gid,
            rundir=None if rundir == self._directory else rundir,
            umask=self._outer("umask"),
            orphanTime=self["orphan-time"],
            listen=tuple(self["listen"]),
        )

    def _identity(self) -> tuple[int | None, int | None]:
        uid, gid = self["uid"], self["gid"]
        if uid in (None, os.geteuid()) and gid in (None, os.getegid()):
            return None, None
        if os.geteuid() != 0:
            raise UsageError(
                "only root can give its workers another user or group; start as root, "
                "or without --uid and --gid"
            )
        if self._outer("uid") is not None or self._outer("gid") is not None:
            raise UsageError(
                "twistd's own --uid and --gid would leave this process without the "
                "right to give its workers others; use only those of cluster"
            )
        return uid, gid


def _requirePlatform() -> None:
    """
    Refuse where descriptors cannot be handed to other processes.
    """
    if not hasattr(socket, "AF_UNIX") or not hasattr(socket, "SCM_RIGHTS"):
        raise UsageError(
            "this platform cannot hand connections from one process to another "
            "(it has no UNIX sockets that carry descriptors), so there can be no cluster"
        )


# -- the service

_log = Logger()


def makeService(options: Options) -> IService:
    """
    Make the primary.  Nothing listens and no worker runs until it is started.
    """
    # Whoever asks for help need not wait for the whole primary to be imported.
    from twisted_cluster._run.service import ClusterService

    if options.countedHow:
        _log.info(
            "--workers auto: {reason}",
            workers=options.settings.workers,
            reason=options.countedHow,
        )
    return cast(IService, ClusterService(options.settings, options.bindings))
