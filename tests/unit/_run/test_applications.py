"""
Tests for L{twisted_cluster._run.applications}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType

from twisted.application.service import (
    Application,
    IProcess,
    IService,
    IServiceCollection,
    Service,
)
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.unit._run.scratch import scratchDirectory
from twisted_cluster._run import applications
from twisted_cluster._run.applications import (
    CallingService,
    applicationFor,
    loadAttribute,
    loadTac,
)
from twisted_cluster.errors import TargetError


class ApplicationForTests(SynchronousTestCase):
    """
    Tests for L{applicationFor}.
    """

    def assertRefused(self, target: object, *parts: str, listen: str = "") -> None:
        """
        Assert that something is refused, with a message that has these parts.
        """
        with self.assertRaises(TargetError) as caught:
            applicationFor(target, "m:a", [listen] if listen else [])
        for part in ("m:a", *parts):
            self.assertIn(part, str(caught.exception))

    def servicesOf(self, target: object, *listen: str) -> list[IService]:
        """
        The services that a target becomes.
        """
        return list(IServiceCollection(applicationFor(target, "m:a", listen)))

    def test_application(self) -> None:
        """
        An application is run as it is, with its own user and name.
        """
        application = Application("own", uid=7)
        self.assertIs(applicationFor(application, "m:a"), application)

    def test_service(self) -> None:
        """
        A service is put into an application.
        """
        service = Service()
        self.assertEqual(self.servicesOf(service), [service])
        self.assertIsNone(IProcess(applicationFor(Service(), "m:a")).uid)

    def test_callable(self) -> None:
        """
        A callable is called when the application starts, not before.
        """
        called: list[object] = []
        [service] = self.servicesOf(called.append)
        self.assertIsInstance(service, CallingService)
        self.assertEqual(called, [])

    def test_resource(self) -> None:
        """
        A web resource is served on each of the endpoints.
        """
        self.assertEqual(len(self.servicesOf(Resource(), "tcp:0", "tcp:0")), 2)

    def test_resourceMaker(self) -> None:
        """
        So is what has a method that makes one, as a Klein application has.
        """

        class Maker:
            def resource(self) -> Resource:
                return Resource()

        self.assertEqual(len(self.servicesOf(Maker(), "tcp:0")), 1)
        self.assertRefused(Maker(), "--listen tcp:8080")

    def test_resourceWithoutListen(self) -> None:
        """
        A web resource has to be told where to listen.
        """
        self.assertRefused(Resource(), "web resource", "--listen tcp:8080")

    def test_resourceClass(self) -> None:
        """
        The class of a web resource is not taken for a callable.
        """
        self.assertRefused(Resource, "class", "instance", "--listen")

    def test_listenWithoutResource(self) -> None:
        """
        Nothing else can be told where to listen.
        """
        for target in (Service(), len, 5):
            self.assertRefused(target, "not a web resource", listen="tcp:0")

    def test_other(self) -> None:
        """
        Anything else is refused, with what it is.
        """
        self.assertRefused(5, "builtins.int", "a service, an application")


class CallingServiceTests(SynchronousTestCase):
    """
    Tests for L{CallingService}.
    """

    def setUp(self) -> None:
        """
        Make a reactor, and remember which of them had to stop.
        """
        self.reactor = MemoryReactorClock()
        self.exits: list[object] = []
        self.patch(applications, "exitNonZero", self.exits.append)

    def started(self, target: Callable[..., object]) -> CallingService:
        """
        Start a service that calls C{target}.
        """
        service = CallingService(target, self.reactor)
        service.startService()
        return service

    def test_called(self) -> None:
        """
        It calls with the reactor, once; a result that is nothing special is
        ignored.
        """
        called: list[object] = []

        def target(reactor: object) -> int:
            called.append(reactor)
            return 5

        self.started(target)
        self.assertEqual(called, [self.reactor])

    def test_raises(self) -> None:
        """
        What it raises, starting raises, so that twistd ends.
        """

        def fail(reactor: object) -> None:
            raise LookupError

        self.assertRaises(LookupError, self.started, fail)

    def test_service(self) -> None:
        """
        A service that is returned starts, and stops with it.
        """
        service = Service()
        calling = self.started(lambda reactor: service)
        self.assertTrue(service.running)
        calling.stopService()
        self.assertFalse(service.running)

    def test_deferred(self) -> None:
        """
        A Deferred that is returned may fire whenever it likes: the program goes
        on.
        """
        result: Deferred[None] = Deferred()
        self.started(lambda reactor: result)
        result.callback(None)
        self.assertEqual(self.exits, [])

    def test_deferredFails(self) -> None:
        """
        If it fails, that is logged and the program ends.
        """
        result: Deferred[None] = Deferred()
        self.started(lambda reactor: result)
        self.assertEqual(self.exits, [])
        result.errback(LookupError("lost"))
        self.assertEqual(self.exits, [self.reactor])
        [failure] = self.flushLoggedErrors(LookupError)
        self.assertEqual(str(failure.value), "lost")

    def test_coroutineFails(self) -> None:
        """
        So it is with a coroutine.
        """

        async def fail(reactor: object) -> None:
            raise LookupError

        self.started(fail)
        self.assertEqual(self.exits, [self.reactor])
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_failsWhileStopping(self) -> None:
        """
        A failure after it was stopped is logged, and does not make an orderly
        end a failed one.
        """
        result: Deferred[None] = Deferred()
        self.started(lambda reactor: result).stopService()
        result.errback(LookupError())
        self.assertEqual(self.exits, [])
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)


class LoadingTests(SynchronousTestCase):
    """
    Tests for L{loadAttribute} and L{loadTac}.
    """

    def module(self, **attributes: object) -> None:
        """
        Make a module that can be imported during the test.
        """
        module = ModuleType("loadedbythetest")
        module.__dict__.update(attributes)
        self.patch(sys, "modules", {**sys.modules, "loadedbythetest": module})

    def test_attribute(self) -> None:
        """
        An attribute is found, also one of an attribute.
        """
        self.module(thing=ModuleType("inner"))
        sys.modules["loadedbythetest"].thing.deep = 5
        self.assertEqual(loadAttribute("loadedbythetest:thing.deep"), 5)

    def test_noAttribute(self) -> None:
        """
        One that is not there is refused, with the file it is not in.
        """
        self.module(__file__="/the/file.py")
        with self.assertRaises(TargetError) as caught:
            loadAttribute("loadedbythetest:thing")
        self.assertIn("loadedbythetest:thing does not exist", str(caught.exception))
        self.assertIn("/the/file.py", str(caught.exception))

    def tac(self, source: str) -> str:
        """
        Write a C{.tac} file.
        """
        path = os.path.join(scratchDirectory(self), "site.tac")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        return path

    def test_tac(self) -> None:
        """
        A C{.tac} file's C{application} is taken; it knows its own path.
        """
        path = self.tac(
            "from twisted.application.service import Application\n"
            "application = Application(__file__)\n"
        )
        self.assertEqual(IService(loadTac(path)).name, path)

    def test_tacWithout(self) -> None:
        """
        A file that defines none, or something else, is refused.
        """
        for source in ("", "application = 5"):
            with self.assertRaises(TargetError) as caught:
                loadTac(self.tac(source))
            self.assertIn("does not define 'application'", str(caught.exception))
