"""Which platforms go to which other machine. Knows of each only what the settings say, and opens none before
a build needs it.

A worker is the docker daemon of another machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import field, replace
from pathlib import Path

from graph.dockerfile import FirstRun, Scan
from graph.record import dataclass
from graph.reference import Platform
from rebuild.engines.emulation import is_native
from rebuild.engines.engine import Engine

TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True, slots=True)
class Worker:
    """A docker daemon as the settings name it."""

    name: str
    host: str  # as docker's `--host` takes it
    platforms: tuple[Platform, ...]  # what is sent there
    tls_folder: Path | None = None  # with the files of `TLS_FILES`

    @property
    def docker_options(self) -> tuple[str, ...]:
        """Of every call of the docker client."""
        where = ("--host", self.host)
        if self.tls_folder is None:
            return where
        flags = zip(("--tlscacert", "--tlscert", "--tlskey"), TLS_FILES, strict=True)
        trust = (part for flag, name in flags for part in (flag, str(self.tls_folder / name)))
        return (*where, "--tlsverify", *trust)

    def has(self, platform: Platform) -> bool:
        return any(platform in own.compatible for own in self.platforms)

    def __str__(self) -> str:
        return f"{self.name} ({self.host})"


Open = Callable[[Worker], Awaitable[Engine]]
Dress = Callable[[Engine], Engine]


@dataclass(frozen=True, slots=True)
class Workers:
    """All of them, in the order of the settings."""

    known: tuple[Worker, ...]
    open: Open
    dresses: tuple[Dress, ...] = field(default=())

    def dressed(self, dress: Dress) -> Workers:
        """The same, whose engines get what `dress` gives them, such as logins."""
        return replace(self, dresses=(*self.dresses, dress))

    async def engine(self, worker: Worker) -> Engine:
        """That of a worker which has just answered. Raises `EngineError` where it is away."""
        engine = await self.open(worker)
        for dress in self.dresses:
            engine = dress(engine)
        return engine


def sent_away(found: Scan, workers: Iterable[Worker], *, host: Platform) -> tuple[Worker, ...]:
    """The workers that a build may go to, first choice first; none where it belongs here.

    What `host` runs by itself is built here, and so is what runs no program.
    """
    run = foreign_run(found, host=host)
    return tuple(worker for worker in workers if worker.has(run.platform)) if run else ()


def foreign_run(found: Scan, *, host: Platform) -> FirstRun | None:
    """The first program of a build that `host` does not run by itself."""
    return next((run for run in runs_of(found) if not is_native(run.platform, host=host)), None)


def runs_of(found: Scan) -> tuple[FirstRun, ...]:
    """The first program of each stage that the build reaches."""
    return tuple(stage.runs for stage in found.stages if stage.reachable and stage.runs)
