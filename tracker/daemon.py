"""The service: builds every part in one place, runs them until told to stop. Each part is elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from msgspec import to_builtins

from graph.clock import now
from graph.errors import StoreError, TrackerError
from graph.staleness import Limits
from rebuild.due_timers import Missed, Overlap, TimerRules
from rebuild.engine import Engine
from rebuild.run import Workplace
from rebuild.runs import Runs
from rebuild.uploads import MIB, UploadLimits, Uploads
from tracker.ancestry import Ancestry, trusted_registries
from tracker.api.app import Parts, Phase, build_app
from tracker.api.v1.desk import Desk, Usual
from tracker.event_senders import senders_of
from tracker.http_server import http_server, open_socket, unix_socket
from tracker.intake import Intake
from tracker.metrics import Metrics
from tracker.poller import Poller
from tracker.pulse import Part, Pulse
from tracker.rebuilder import Rebuilder, Rules
from tracker.receiver import Receiver
from tracker.registry import POLLING
from tracker.registry.aiohttp_transport import many_questions
from tracker.scrape import Scrape
from tracker.service import Supervisor
from tracker.settings import Settings
from tracker.state import State
from tracker.task_saving import Archive
from tracker.timers import TimerClock
from tracker.upkeep import EngineStorage, OldRuns, Report, SentContexts, Upkeep, clock
from tracker.watch import Asker, Intervals
from tracker.workshop import Workshop, host_platform
from tracker.written_settings import Written

log = structlog.get_logger()


class Daemon:
    """One service process on one state folder."""

    def __init__(self, settings: Settings, state: State, supervisor: Supervisor) -> None:
        self._settings = settings
        self._state = state
        self._supervisor = supervisor
        self._senders = senders_of(settings.events)
        self._phase = Phase.STARTING

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises what ended the service before that."""
        try:
            await self._run()
        except BaseExceptionGroup as group:
            raise _ended_by(group) from None

    async def _run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with (
            open_socket(self._settings.serve.listen) as listening,
            _exclusive(self._state),
            self._own_socket() as local,
        ):
            metrics = Metrics()
            async with Workshop(
                self._settings,
                self._state,
                on_request=metrics.requested,
                transport=many_questions,
                serving=True,
            ) as workshop:
                await self._serve(workshop, metrics, (listening, local), stop)

    async def _serve(
        self, workshop: Workshop, metrics: Metrics, listening: tuple[Any, Any], stop: asyncio.Event
    ) -> None:
        connection, place, pulse = workshop.connection, await workshop.workplace(), Pulse()
        rebuilder = Rebuilder(place, self._rules(), metrics, now, beat=partial(pulse.beat, Part.REBUILDER))
        intervals = intervals_of(self._settings)
        asker = Asker(workshop.client.with_patience(POLLING), metrics, now)
        intake = Intake(connection, rebuilder, metrics, intervals)
        poller = Poller(
            connection, asker, intake, intervals, metrics, now, beat=partial(pulse.beat, Part.POLLER)
        )
        receiver = Receiver(
            connection,
            asker,
            intake,
            metrics,
            senders=self._senders,
            now=now,
            beat=partial(pulse.beat, Part.RECEIVER),
        )
        scrape = Scrape(metrics, connect=self._state.read, budgets=workshop.client.budgets, now=now)
        desk = self._desk(workshop, place, rebuilder, poller)
        server = http_server(build_app(self._parts(connection, metrics, receiver, pulse, scrape), desk))
        await _clear_left(workshop, place)
        rebuilder.recover()
        jobs = clock(
            self._upkeep(connection, rebuilder, place.tools.engine, desk.uploads),
            Report(self._supervisor, pulse, scrape),
            self._ancestry(workshop),
            watchdog_s=self._supervisor.watchdog_s,
            now=now(),
        )
        timers = TimerClock(
            connection,
            rebuilder.wake,
            self._timer_rules(),
            metrics,
            now,
            scheduler=jobs,
            beat=partial(pulse.beat, Part.TIMERS),
        )
        async with asyncio.TaskGroup() as group:
            parts = [
                group.create_task(rebuilder.work(), name=Part.REBUILDER),
                group.create_task(poller.work(), name=Part.POLLER),
                group.create_task(receiver.work(), name=Part.RECEIVER),
                group.create_task(timers.work(), name=Part.TIMERS),
            ]
            serving = group.create_task(server.serve(sockets=[*listening]), name="http")
            await server.answering.wait()
            gc.freeze()  # what stays for good is not searched for garbage: 80 ms each time, for all to wait
            self._say_ready(place)
            jobs.start()
            await stop.wait()
            self._say_stopping()
            jobs.shutdown(wait=False)
            server.should_exit = True
            for part in parts:
                part.cancel()
            await serving
        log.info("stopped")

    def _say_ready(self, place: Workplace) -> None:
        engine = place.tools.engine
        self._phase = Phase.READY
        self._supervisor.ready(f"listening on {self._settings.serve.listen}")
        log.info(
            "ready",
            listen=self._settings.serve.listen,
            state=str(self._state.folder),
            engine=f"{engine.name} {engine.version}",
        )

    def _say_stopping(self) -> None:
        self._phase = Phase.STOPPING
        self._supervisor.stopping("builds under way go back to the queue")
        log.info("stopping")

    def _rules(self) -> Rules:
        watch, rebuild = self._settings.watch, self._settings.rebuild
        limits = Limits(watch.settle, watch.settle_most, rebuild.retry_delays)
        return Rules(limits, rebuild.workers)

    def _timer_rules(self) -> TimerRules:
        section = self._settings.timers
        return TimerRules(Missed(section.missed), Overlap(section.overlap))

    def _parts(
        self,
        connection: sqlite3.Connection,
        metrics: Metrics,
        receiver: Receiver,
        pulse: Pulse,
        scrape: Scrape,
    ) -> Parts:
        def health() -> Mapping[str, Any]:
            pulse.check()
            silent_s = {part: round(seconds, 1) for part, seconds in pulse.silent_s().items()}
            return {"queued": Runs(connection).queue().queued, "silent_s": silent_s}

        return Parts(
            connection=connection,
            metrics=metrics,
            senders=self._senders,
            arrived=receiver.wake,
            health=health,
            phase=lambda: self._phase,
            scrape=scrape.text,
            now=now,
        )

    def _ancestry(self, workshop: Workshop) -> Ancestry:
        client = workshop.client.with_patience(POLLING)
        trusted = trusted_registries(self._settings.registries)
        return Ancestry(workshop.connection, client, connect=self._state.read, trusted=trusted)

    def _desk(self, workshop: Workshop, place: Workplace, rebuilder: Rebuilder, poller: Poller) -> Desk:
        section = self._settings.uploads
        limits = UploadLimits(section.megabytes_most * MIB, section.total_megabytes_most * MIB)
        return Desk(
            connection=workshop.connection,
            state=self._state,
            written=Written(to_builtins(self._settings, enc_hook=str)),
            usual=Usual(
                registry=self._settings.registry,
                platform=host_platform(),
                timeout_s=self._settings.rebuild.timeout,
                reproducible=self._settings.rebuild.reproducible,
            ),
            tools=place.tools,
            cipher=workshop.cipher,
            uploads=Uploads(self._state.uploads, limits),
            archive=Archive.of(workshop),
            wake=rebuilder.wake,
            ask_now=poller.ask_now,
            is_stopping=lambda: self._phase is Phase.STOPPING,
            now=now,
        )

    @contextlib.contextmanager
    def _own_socket(self) -> Iterator[Any]:
        """The unix socket; the state folder leads to it, so that commands find the service of their state."""
        at = self._state.socket
        path = self._settings.serve.socket or usual_socket(os.environ) or at
        with unix_socket(path) as bound:
            if path == at:
                yield bound
                return
            at.unlink(missing_ok=True)
            at.symlink_to(path)
            try:
                yield bound
            finally:
                at.unlink(missing_ok=True)

    def _upkeep(
        self, connection: sqlite3.Connection, rebuilder: Rebuilder, engine: Engine, uploads: Uploads
    ) -> Upkeep:
        own = self._settings.engine_storage is not None
        kept = self._settings.rebuild
        return Upkeep(
            connection,
            rebuilder,
            old_runs=OldRuns(
                connection,
                self._state.logs,
                keep_runs_s=kept.keep_runs,
                keep_logs_s=kept.keep_logs,
                now=now,
            ),
            storage=EngineStorage(engine.prune, now) if own else None,
            sent=SentContexts(uploads, Runs(connection), keep_s=self._settings.uploads.keep, now=now),
        )


def usual_socket(environment: Mapping[str, str]) -> Path | None:
    """In the folder that systemd made for the service, None where it made none."""
    folder = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(folder) / "tracker.sock" if folder else None


def intervals_of(settings: Settings) -> Intervals:
    """How often each registry is asked."""
    named = {host: section.interval for host, section in settings.registries.items()}
    by_registry_s = {host: interval for host, interval in named.items() if interval is not None}
    return Intervals(
        settings.watch.interval, {"docker.io": max(900.0, settings.watch.interval)} | by_registry_s
    )


def _ended_by(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended the parts, as one error that the command line prints; a defect of ours goes to the log."""
    for error in _single(group):
        if isinstance(error, TrackerError):
            return error
        if isinstance(error, sqlite3.Error):
            hint = "see whether the disk is full and the state folder is writable; then start it again"
            return StoreError(f"the database cannot be used: {error}", hint=hint)
    log.critical("a defect of tracker ended the service", exc_info=group)
    return SystemExit(1)


def _single(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _single(error)
        else:
            yield error


async def _clear_left(workshop: Workshop, place: Workplace) -> None:
    """Before the folders of dead runs are swept: their containers still write there."""
    try:
        left = await workshop.clear_left(place.tools.engine)
    except TrackerError as error:
        log.warning("cannot look for containers of dead runs", error=error.message)
        return
    for run_id in left:
        log.warning("ended the containers of a dead run", run=run_id)


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
