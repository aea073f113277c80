"""The service as a process: holds its state folder, runs the parts until told to stop. Makes none of them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from graph.errors import StoreError, TrackerError
from rebuild.process import let_commands_give_way
from rebuild.runs.run import Workplace
from tracker.api.app import Phase
from tracker.composition import Composition
from tracker.http_server import address_of, http_server, open_socket, unix_socket
from tracker.metrics import Metrics
from tracker.registry.aiohttp_transport import many_questions
from tracker.service import Supervisor
from tracker.settings.settings import Settings
from tracker.state import State
from tracker.workshop import Workshop

log = structlog.get_logger()


class Daemon:
    """One service process on one state folder."""

    def __init__(self, settings: Settings, state: State, supervisor: Supervisor) -> None:
        self._settings = settings
        self._state = state
        self._supervisor = supervisor
        self._phase = Phase.STARTING

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises what ended the service before that."""
        try:
            await self._run()
        except BaseExceptionGroup as group:
            raise _ended_by(group) from None

    async def _run(self) -> None:
        let_commands_give_way(self._settings.rebuild.nice)
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
        place = await workshop.workplace()
        made = Composition(
            self._settings, workshop, place, metrics, self._supervisor, phase=lambda: self._phase
        )
        server = http_server(made.app)
        await _clear_left(workshop, place)
        made.rebuilder.recover()
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(work(), name=part) for part, work in made.workers.items()]
            serving = group.create_task(server.serve(sockets=[*listening]), name="http")
            await server.answering.wait()
            gc.freeze()  # what stays for good is not searched for garbage: 80 ms each time, for all to wait
            self._say_ready(place, address_of(listening[0]))
            made.jobs.start()
            await stop.wait()
            self._say_stopping()
            made.jobs.shutdown(wait=False)
            server.should_exit = True
            for part in parts:
                part.cancel()
            await serving
        log.info("stopped")

    def _say_ready(self, place: Workplace, address: str) -> None:
        engine = place.tools.engine
        self._phase = Phase.READY
        self._supervisor.ready(f"listening on {address}")
        log.info(
            "ready",
            listen=address,
            state=str(self._state.folder),
            engine=f"{engine.name} {engine.version}",
        )

    def _say_stopping(self) -> None:
        self._phase = Phase.STOPPING
        self._supervisor.stopping("builds under way go back to the queue")
        log.info("stopping")

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


def usual_socket(environment: Mapping[str, str]) -> Path | None:
    """In the folder that systemd made for the service, None where it made none."""
    folder = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(folder) / "tracker.sock" if folder else None


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
    with state.open_lock() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrackerError(
                f"another tracker serves the state folder {state.folder}",
                hint="stop it first, or give this one a folder of its own with --state",
            ) from None
        yield
