"""What the steps of a run ask of an engine besides building: containers, their network, their images.

How is podman_containers.py's and docker_containers.py's. Which arguments a container gets is the plan's to
say (`rebuild.steps.step_plan`); here they are carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self

from graph.errors import TrackerError
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from rebuild.engines.engine import CommandFailed, LocalImage, LogSink
from rebuild.process import TO_THE_LOG, Streams
from rebuild.steps.step_place import EngineCalls


class ContainerTrouble(TrackerError):
    """The engine could not make, ask about or remove what belongs to a run."""


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """What one container of a step may take of the machine; None is the engine's own limit."""

    memory_bytes: int | None = None
    processes: int | None = 4096

    def flags(self) -> tuple[str, ...]:
        given = {"--memory": self.memory_bytes, "--pids-limit": self.processes}
        return tuple(f"{name}={value}" for name, value in given.items() if value is not None)


class Containers(Protocol):
    """Every method may raise `TrackerError`; cancelling a call ends what it started, containers included."""

    calls: EngineCalls  # how a plan calls this engine here

    def check(self) -> None:
        """Raise `EngineError` where no container starts on this machine."""

    def with_auth(self, auth_file: Path) -> Self:
        """The same, with these logins to registries: a file in the format of docker's config.json."""

    def as_nobody(self, auth_file: Path) -> Self:
        """The same for whom nobody vouches: no login is found but those of the file, in a folder of the run's
        own."""

    async def pull(self, image: ImageRef, platform: Platform, log: LogSink) -> CommandFailed | None:
        """Bring an image into the engine's storage; None is success."""

    async def import_image(self, archive: Path, name: str) -> CommandFailed | None:
        """Make an image of one layer, a tar file, for this machine's platform; None is success."""

    async def image_names(self, pattern: str) -> tuple[str, ...]:
        """Names with tags in the engine's storage that fit; `*` stands for anything but a slash."""

    async def make_network(self, argv: Sequence[str]) -> None:
        """Carry out a planned `network create`."""

    async def run(
        self,
        argv: Sequence[str],
        name: str,
        log: LogSink,
        *,
        timeout_s: float,
        streams: Streams = TO_THE_LOG,
    ) -> int:
        """Carry out a planned `run` in the foreground; what the container prints goes to `log` as it comes,
        unless `streams` lead it elsewhere.

        Answers the exit code. `name` is the container's: it is removed when the call is cancelled, and where
        an earlier one has the name.
        """

    async def start(self, argv: Sequence[str], name: str) -> CommandFailed | None:
        """Carry out a planned `run --detach`; None once the container runs."""

    async def follow(self, name: str, log: LogSink) -> int | None:
        """Hand on what a detached container prints until it ends; its exit code, None where it is gone."""

    async def remove(self, *names: str) -> None:
        """Remove containers, running or not; unknown names are no error."""

    async def remove_all(self, folder: Path) -> None:
        """Remove every container and network of the run that has this folder, running or not."""

    async def remove_left(self, is_left: Callable[[Path], bool]) -> frozenset[Path]:
        """The same for every run whose folder a killed process has left; answers those folders."""

    async def push_index(
        self,
        images: Sequence[LocalImage],
        to: ImageRef,
        log: LogSink,
        *,
        pushed: Sequence[ImageRef] = (),
    ) -> CommandFailed | None:
        """Push images of several platforms under one name, as an index. `pushed` are more of them, by the
        digests that their registry has already given them."""
