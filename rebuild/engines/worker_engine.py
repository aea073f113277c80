"""The docker daemon of another machine as an engine: the same client, told where to. Chooses no platform."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Self

from graph.reference import ImageRef, Platform
from rebuild.engines.docker import DockerEngine
from rebuild.engines.docker_probe import NoClient, greet, probe_docker
from rebuild.engines.engine import (
    BuildRequest,
    Built,
    CommandFailed,
    EngineError,
    LocalImage,
    LogSink,
    Pushed,
)
from rebuild.engines.probe import EngineProbe
from rebuild.engines.push_progress import TellPush
from rebuild.engines.surroundings import Surroundings
from rebuild.engines.workers import Worker
from rebuild.process import Captured

# They would name another daemon, or lead what is told to this one by way of others.
_OF_OTHER_DAEMONS = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH",
                     "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")  # fmt: skip
_WORDS_MOST = 300
_CLIENTS_WORDS = re.compile(
    r"(?:ERROR: |error: )?(?:error during connect|Cannot connect to the Docker daemon|(?:unexpected )?EOF$"
    r"|read (?:tcp|unix) |.*code = Unavailable desc = (?:error reading from server|transport is closing))"
)


class WorkerAway(EngineError):
    """The daemon of a worker does not answer, or not any more."""


class NotAsSet(EngineError):
    """The daemon of a worker is for another system than the settings say."""


class WorkerEngine(DockerEngine):
    """A worker's docker, as the probe found it."""

    def __init__(
        self, worker: Worker, probe: EngineProbe, around: Surroundings, on_push: TellPush | None = None
    ) -> None:
        self._worker = worker
        self.worker = worker.name
        self.called = f"docker of worker {worker}"
        super().__init__(probe, around, on_push)

    def _like(self, around: Surroundings, on_push: TellPush | None) -> Self:
        return type(self)(self._worker, self.probe, around, on_push)

    async def build(self, request: BuildRequest, log: LogSink) -> Built | CommandFailed:
        built = await super().build(request, log)
        if isinstance(built, CommandFailed):
            await self._check_is_there(built, lost=_CLIENTS_WORDS)
        return built

    async def push(self, image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        pushed = await super().push(image, to, log)
        if isinstance(pushed, CommandFailed):  # the registry may have closed a connection, too
            await self._check_is_there(pushed, lost=None)
        return pushed

    def as_nobody(self, auth_file: Path) -> Self:
        if self.machine.os == "windows":
            raise EngineError(
                f"worker {self._worker} runs Windows, whose containers may share its kernel:"
                " what a stranger has written is not built there"
            )
        return super().as_nobody(auth_file)

    def cannot_run(self, platform: Platform) -> str | None:
        if self._worker.has(platform) or platform in self.machine.compatible:
            return None
        has = ", ".join(map(str, self._worker.platforms))
        return f"worker {self._worker.name}, which builds the rest, has {has}"

    async def _check_is_there(self, failed: CommandFailed, *, lost: re.Pattern[str] | None) -> None:
        """Raise `WorkerAway` where a command has failed for the worker was lost under way: it does not answer
        now, or the last line that the client printed begins with `lost`."""
        if failed.timed_out:
            return
        answer = await greet(self.probe.program, self._around)
        if isinstance(answer, Captured):
            raise _away(self._worker, answer.complaint)
        last = (failed.log_tail.strip().splitlines() or [""])[-1]
        if lost is not None and lost.match(last):
            raise WorkerAway(
                f"worker {self._worker} was lost under way: {last[:_WORDS_MOST]}",
                hint="it answers again: run it again",
            )


async def open_worker(
    around: Surroundings, on_push: TellPush | None, worker: Worker, *, afresh: bool = False
) -> WorkerEngine:
    """The engine of a worker, whose daemon has just answered.

    Raises `WorkerAway`, within a bounded time, and `NotAsSet`.
    """
    there = _around_of(worker, around)
    try:
        probe = await probe_docker(there, afresh=afresh)
    except NoClient as error:
        raise WorkerAway(f"worker {worker} cannot be used: {error.message}", hint=error.hint) from None
    except EngineError as error:
        raise _away(worker, error.message) from None
    engine = WorkerEngine(worker, probe, there, on_push)
    if any(platform.os != engine.machine.os for platform in worker.platforms):
        wanted = ", ".join(map(str, worker.platforms))
        raise NotAsSet(
            f"worker {worker} is set to have {wanted}, and its docker runs {engine.machine}",
            hint=f"correct workers.{worker.name}.platforms; Docker Desktop can switch to Windows containers",
        )
    return engine


def _away(worker: Worker, complaint: str) -> WorkerAway:
    return WorkerAway(
        f"worker {worker} cannot be used: {complaint}",
        hint=f"try `docker --host {worker.host} version` as the user that tracker runs as",
    )


def _around_of(worker: Worker, around: Surroundings) -> Surroundings:
    """What the client finds for calls of that worker."""
    kept = {name: value for name, value in around.environment.items() if name not in _OF_OTHER_DAEMONS}
    return replace(around, docker_host=None, docker_options=worker.docker_options, environment=kept)
