"""The service: builds every part in one place, runs them until told to stop. Each part is elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from graph.freshness import Freshness, read_freshness
from graph.staleness import Limits
from graph.store import GraphStore
from rebuild.logs import expire
from rebuild.run import Workplace
from rebuild.runs import Runs
from rebuild.secret import Secret
from tracker.api.app import Parts, build_app
from tracker.http_server import http_server, open_socket
from tracker.intake import Intake
from tracker.metrics import Metrics, StateMetrics
from tracker.poller import Poller
from tracker.rebuilder import Rebuilder, Rules
from tracker.receiver import Receiver
from tracker.registry import POLLING, RegistryClient, RequestSeen
from tracker.service import Supervisor
from tracker.settings import ConfigError, EventSource, Settings
from tracker.state import State
from tracker.watch import Asker, Intervals
from tracker.workshop import Workshop

RECOVER_EVERY_S = 5.0  # how soon a run of a command that was killed goes on

log = structlog.get_logger()


class Daemon:
    """One service process on one state folder."""

    def __init__(self, settings: Settings, state: State, supervisor: Supervisor) -> None:
        self._settings = settings
        self._state = state
        self._supervisor = supervisor
        self._ready = False

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with open_socket(self._settings.serve.listen) as listening, _exclusive(self._state):
            metrics = Metrics()
            async with Workshop(self._settings, self._state, on_request=_counted(metrics)) as workshop:
                await self._serve(workshop, metrics, listening, stop)

    async def _serve(self, workshop: Workshop, metrics: Metrics, listening: Any, stop: asyncio.Event) -> None:
        connection, place = workshop.connection, await workshop.workplace()
        rebuilder = Rebuilder(place, self._rules(), metrics, now)
        intervals = intervals_of(self._settings)
        asker = Asker(workshop.client.with_patience(POLLING), metrics, now)
        intake = Intake(connection, rebuilder, metrics, intervals)
        poller = Poller(connection, asker, intake, intervals, metrics, now)
        receiver = Receiver(connection, asker, intake, metrics, registry_names=self._registry_names())
        metrics.registry.register(self._state_metrics(workshop.client))
        server = http_server(build_app(self._parts(connection, metrics, receiver)))
        rebuilder.recover()
        clock = self._clock(connection, rebuilder)
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(rebuilder.work(), name="rebuilder"),
                group.create_task(poller.work(), name="poller"),
                group.create_task(receiver.work(), name="receiver"),
            ]
            serving = group.create_task(server.serve(sockets=[listening]), name="http")
            clock.start()
            self._say_ready(place)
            await stop.wait()
            self._ready = False
            self._supervisor.stopping()
            log.info("stopping")
            clock.shutdown(wait=False)
            server.should_exit = True
            for part in parts:
                part.cancel()
            await serving
        log.info("stopped")

    def _say_ready(self, place: Workplace) -> None:
        engine = place.tools.engine
        self._ready = True
        self._supervisor.ready(f"listening on {self._settings.serve.listen}")
        log.info(
            "ready",
            listen=self._settings.serve.listen,
            state=str(self._state.folder),
            engine=f"{engine.name} {engine.version}",
        )

    def _rules(self) -> Rules:
        watch, rebuild = self._settings.watch, self._settings.rebuild
        limits = Limits(watch.settle, watch.settle_most, rebuild.retry_delays)
        return Rules(limits, rebuild.workers)

    def _registry_names(self) -> Mapping[str, str | None]:
        return {source: section.registry for source, section in self._settings.events.items()}

    def _parts(self, connection: sqlite3.Connection, metrics: Metrics, receiver: Receiver) -> Parts:
        def health() -> Mapping[str, Any]:
            return {"queued": Runs(connection).queue_depth()}

        secrets: dict[str, Secret | None] = {
            source: secret_of(source, section) for source, section in self._settings.events.items()
        }
        return Parts(
            connection,
            metrics,
            secrets,
            self._registry_names(),
            receiver.wake,
            health,
            lambda: self._ready,
            now,
        )

    def _state_metrics(self, client: RegistryClient) -> StateMetrics:
        """Read on connections of their own: metrics are rendered outside the loop's thread."""

        def freshness() -> Freshness:
            with contextlib.closing(self._state.read()) as connection:
                return read_freshness(connection, now())

        def queue_depth() -> int:
            with contextlib.closing(self._state.read()) as connection:
                return Runs(connection).queue_depth()

        def budgets() -> dict[str, int]:
            left = {registry: budget.pulls_left for registry, budget in client.budgets().items()}
            return {registry: pulls for registry, pulls in left.items() if pulls is not None}

        return StateMetrics(freshness, queue_depth, budgets)

    def _clock(self, connection: sqlite3.Connection, rebuilder: Rebuilder) -> AsyncIOScheduler:
        """Everything that happens by the clock alone."""
        clock = AsyncIOScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        clock.add_job(rebuilder.recover, "interval", seconds=RECOVER_EVERY_S)
        clock.add_job(self._tidy, "interval", hours=1, args=[connection])
        if self._supervisor.watchdog_s:
            clock.add_job(self._supervisor.alive, "interval", seconds=self._supervisor.watchdog_s / 3)
        return clock

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Forget what nobody will ask for any more."""
        store = GraphStore(connection)
        with immediate(connection):
            store.forget_unused()
            store.prune_builds(keep_each=20)
        deleted = expire(self._state.logs, before=now() - timedelta(seconds=self._settings.rebuild.keep_logs))
        log.info("tidied", logs_deleted=deleted)


def intervals_of(settings: Settings) -> Intervals:
    """How often each registry is asked."""
    named = {host: section.interval for host, section in settings.registries.items()}
    by_registry_s = {host: interval for host, interval in named.items() if interval is not None}
    return Intervals(
        settings.watch.interval, {"docker.io": max(900.0, settings.watch.interval)} | by_registry_s
    )


def _counted(metrics: Metrics) -> Any:
    def count(seen: RequestSeen) -> None:
        metrics.requests.labels(seen.registry, seen.method, str(seen.status or "none")).inc()

    return count


@contextlib.contextmanager
def _exclusive(state: State) -> Iterator[None]:
    """Hold the folder: a second service on it would do everything twice."""
    state.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state.folder / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrackerError(
                f"another tracker serves the state folder {state.folder}",
                hint="stop it first, or give this one a folder of its own with --state",
            ) from None
        yield


def secret_of(source: str, section: EventSource) -> Secret | None:
    """The secret of an event source, out of the settings or the file that they name."""
    if section.secret_file is None:
        return Secret(section.secret) if section.secret else None
    try:
        text = section.secret_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"events.{source}.secret_file: {error}", hint="the service's user must be able to read it"
        ) from error
    if not text:
        raise ConfigError(f"events.{source}.secret_file: {section.secret_file} is empty")
    return Secret(text)
