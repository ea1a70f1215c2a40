"""
Loading what twistd shall run in a worker: a C{.tac} file, or whatever
C{package.module:attribute} names.
"""

from __future__ import annotations

import importlib
import inspect
import io
import sys
from collections.abc import Callable, Sequence
from functools import reduce
from typing import cast

from twisted.application.service import (
    Application,
    IProcess,
    IService,
    MultiService,
)
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from twisted_cluster._run.exiting import exitNonZero
from twisted_cluster.errors import TargetError


def loadTac(path: str) -> Componentized:
    """
    Run a C{.tac} file, and take its C{application}.

    @raise TargetError: if it defines none.
    """
    # The same names as under twistd -y.
    namespace: dict[str, object] = {"__file__": path}
    with io.open_code(path) as file:
        source = file.read()
    code = compile(source, path, "exec", dont_inherit=True)
    exec(code, namespace)
    application = namespace.get("application")
    if not _isApplication(application):
        raise TargetError(
            f"{path} does not define 'application'; a .tac file must call "
            "twisted.application.service.Application and give its result this name"
        )
    return cast(Componentized, application)


def loadAttribute(reference: str) -> object:
    """
    Import C{package.module:attribute}.

    @raise TargetError: if the module has no such attribute.
    """
    name, _, attribute = reference.partition(":")
    module = importlib.import_module(name)
    try:
        return reduce(getattr, attribute.split("."), cast(object, module))
    except AttributeError as problem:
        where = getattr(module, "__file__", None) or "builtin"
        raise TargetError(
            f"{reference} does not exist: {problem} ({where})"
        ) from problem


def applicationFor(
    target: object, name: str, listen: Sequence[str] = ()
) -> Componentized:
    """
    Make something into an application.

    @param target: A service, an application, a callable that takes the
        reactor, or a web resource.
    @param name: What it is called in messages.
    @param listen: The endpoints to serve a web resource on.

    @raise TargetError: if it is none of these.
    """
    if listen:
        return _serving(_resourceToServe(target, name), name, listen)
    if _isApplication(target):
        return cast(Componentized, target)
    if IService.providedBy(target):
        return _applicationOf(IService(target), name)
    _refuseResource(target, name)
    if callable(target):
        return _applicationOf(CallingService(target), name)
    raise TargetError(
        f"{name} is {_kindOf(target)}, which cannot be run: it must be a service, "
        "an application, a callable that takes the reactor, or a web resource"
    )


def _isApplication(target: object) -> bool:
    return (
        isinstance(target, Componentized)
        and IService(target, None) is not None
        and IProcess(target, None) is not None
    )


def _applicationOf(service: IService, name: str) -> Componentized:
    application = Application(name)
    service.setServiceParent(application)
    return cast(Componentized, application)


def _kindOf(target: object) -> str:
    kind = type(target)
    return f"an object of the class {kind.__module__}.{kind.__qualname__}"


# -- web resources


def _resourceToServe(target: object, name: str) -> object:
    resource = _resourceOf(target)
    # As a Klein application has it; or the method itself, or a class: what
    # twistd web --class takes.
    for maker in (getattr(target, "resource", None), target):
        if resource is None and _canBeCalled(maker):
            resource = _resourceOf(cast(Callable[[], object], maker)())
    if resource is None:
        raise TargetError(
            f"{name} is {_kindOf(target)}, not a web resource; --listen is only "
            "for those"
        )
    return resource


def _canBeCalled(maker: object) -> bool:
    """
    Whether something can be called with no arguments.
    """
    if not callable(maker):
        return False
    try:
        inspect.signature(maker).bind()
    except (TypeError, ValueError):
        return False
    return True


def _resourceOf(target: object) -> object | None:
    """
    Return C{target} if it is a web resource.
    """
    # What provides the interface has imported it; nothing else needs it.
    resources = sys.modules.get("twisted.web.resource")
    if resources is None or not resources.IResource.providedBy(target):
        return None
    return target


def _refuseResource(target: object, name: str) -> None:
    advice = "say where to listen, for example --listen tcp:8080"
    if _resourceOf(target) is not None:
        raise TargetError(f"{name} is a web resource; {advice}")
    if isinstance(target, type):
        resources = sys.modules.get("twisted.web.resource")
        if resources is not None and resources.IResource.implementedBy(target):
            raise TargetError(
                f"{name} is the class of a web resource; name an instance of it, "
                f"and {advice}"
            )
    elif callable(getattr(target, "resource", None)):
        raise TargetError(f"{name} makes a web resource; {advice}")


def _serving(resource: object, name: str, listen: Sequence[str]) -> Componentized:
    from twisted.application.strports import service as listeningService
    from twisted.web.server import Site

    application = Application(name)
    site = Site(resource)
    for description in listen:
        listeningService(description, site).setServiceParent(application)
    return cast(Componentized, application)


# -- callables


class CallingService(MultiService):
    """
    Calls something with the reactor when it is started.

    The result may be a service, which is started; or a coroutine or Deferred,
    whose failure ends the process with a status that is not 0.  Any other
    result is ignored, as is a Deferred's: the program runs until it is stopped.
    """

    _log = Logger()

    def __init__(
        self, target: Callable[..., object], reactor: IReactorCore | None = None
    ) -> None:
        """
        @param target: What to call.
        @param reactor: What to call it with; by default, the global reactor.
        """
        MultiService.__init__(self)
        self._target = target
        self._reactor = reactor

    def startService(self) -> None:
        """
        Call it.  If it raises, so does this, and twistd reports it and ends.
        """
        MultiService.startService(self)
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = cast(IReactorCore, reactor)
        result = self._target(self._reactor)
        if inspect.iscoroutine(result):
            result = Deferred.fromCoroutine(result)
        if isinstance(result, Deferred):
            result.addErrback(self._failed)
        elif IService.providedBy(result):
            IService(result).setServiceParent(self)

    def _failed(self, failure: Failure) -> None:
        self._log.failure("The program failed, and ends.", failure=failure)
        # While stopping anyway, connections that break under it are no news.
        if self.running:
            exitNonZero(self._reactor)
