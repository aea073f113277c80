"""What every engine can do: build an image, look at it, push it. How is podman.py's and docker.py's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol, Self

from graph.dockerfile import Feature
from graph.errors import TrackerError
from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform
from rebuild.secrets.secret import Secret

LogSink = Callable[[bytes], None]  # takes bytes as they come, any length, any encoding


class EngineError(TrackerError):
    """The engine is missing, does not answer, or cannot do what was asked on this machine."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One Dockerfile build for one platform. Paths are absolute; nothing is pushed."""

    context: Path
    dockerfile: Path  # the pinned copy, outside the context
    ignore_file: Path | None  # None: the context's own, where it has one
    platform: Platform  # that the build is for
    tag: str  # a name in the engine's own storage, for this build alone
    target: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)  # by the id that `RUN --mount` names
    scratch: Path | None = None  # a folder for the engine's own files; None: the system's temporary one
    annotations: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    layer_cache: ImageRef | None = None  # where a registry keeps layers of this build for builds elsewhere
    timestamp: int | None = None  # seconds since 1970 given to every file and date of the image
    base_of_docker: bool = False  # whether the base says what only docker's format of images has a place for
    flags: tuple[str, ...] = ()  # more of the engine's own, each one word: labels, limits
    leaves_out: tuple[str, ...] = ()  # patterns that count before the ignore file's own
    timeout_s: float = 3600.0
    last_stage: Platform | None = None  # where its FROM names another platform, which then is the image's

    @property
    def image_platform(self) -> Platform:
        return self.last_stage or self.platform


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image in the engine's storage."""

    image_id: Digest  # the digest of its config, which the pushed manifest will name too
    platform: Platform
    diff_ids: tuple[Digest, ...]  # uncompressed layers, lowest first
    config: Mapping[str, Any]  # the `config` object of the OCI image config: Env, Cmd, Labels, …


@dataclass(frozen=True, slots=True)
class Built:
    """The build went well; `image` is in the engine's storage under the request's tag."""

    image: LocalImage


@dataclass(frozen=True, slots=True)
class Pushed:
    """The push went well; `digest` is that of the manifest, None where the engine tells none."""

    digest: Digest | None


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """The engine's command ended with a status other than 0. A value: the image owner acts on it."""

    exit_code: int  # minus the signal's number where a signal ended it
    log_tail: str  # the last lines, decoded with replacement
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a clearing of the engine's storage did; `why_not` is set where it left everything as it was."""

    images: int
    why_not: str | None = None


class Engine(Protocol):
    """podman or docker. Every method may raise `EngineError`; cancelling a call ends its processes."""

    name: str  # "podman" or "docker"
    worker: str | None  # the name of the worker whose daemon it is; None: it is this machine's
    version: str
    features: frozenset[Feature]  # what of the Dockerfile language it understands
    reads_syntax_line: bool  # whether `# syntax=` names an image that it really uses

    async def build(self, request: BuildRequest, log: LogSink) -> Built | CommandFailed: ...

    def with_auth(self, auth_file: Path) -> Self:
        """The same engine, with these logins to registries: a file in the format of docker's config.json."""

    def as_nobody(self, auth_file: Path) -> Self:
        """The same for whom nobody vouches: no login is found but those of the file, in a folder of the run's
        own."""

    async def inspect(self, name: str) -> LocalImage | None:
        """The image of that name or id in the engine's storage, None where it has none."""

    async def push(self, image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        """Push under a tag. What the tag then points to is the registry's to tell."""

    async def save(self, name: str, archive: Path) -> None:
        """Write the image of that name to a new file, as `docker load` and `podman load` take it."""

    async def load(self, archive: Path, name: str) -> LocalImage:
        """Take the image of that name out of such a file."""

    async def remove(self, *names: str) -> None:
        """Forget these names; an image without a name goes too. Unknown names are no error."""

    async def prune(self, *, older_than_s: float) -> Pruned:
        """Clear what builds left behind that long ago, cache included; only in a storage of tracker's own."""

    @property
    def machine(self) -> Platform:
        """What programs of the machine that it is on run on by themselves."""

    def cannot_run(self, platform: Platform) -> str | None:
        """Why programs of that platform do not start where the engine is, None where they do."""
