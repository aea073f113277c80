"""What tries out a pull request works with: an engine that leaves nothing behind for builds that count, and
for one from a fork also one that shows nothing of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from graph.dockerfile import Feature
from graph.model import BaseContent, Manifests
from graph.reference import Digest, ImageRef, Platform
from rebuild.engines.engine import (
    BuildRequest,
    Built,
    CommandFailed,
    Engine,
    EngineError,
    LocalImage,
    LogSink,
    Pruned,
    Pushed,
)
from rebuild.images.resolve import LastBuild


class TrialEngine:
    """An engine that pushes nothing, and neither takes nor leaves a layer in the cache.

    podman takes no notice of what a step mounts when it looks a layer up: one that a pull request has made
    could be taken for that of the next build of the branch.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name
        self.worker = engine.worker
        self.version = engine.version
        self.features = engine.features
        self.reads_syntax_line = engine.reads_syntax_line

    async def build(self, request: BuildRequest, log: LogSink) -> Built | CommandFailed:
        flags = (*request.flags, "--layers=false") if self.name == "podman" else request.flags
        return await self._engine.build(replace(request, no_cache=True, layer_cache=None, flags=flags), log)

    def with_auth(self, auth_file: Path) -> Self:
        return type(self)(self._engine.with_auth(auth_file))

    def as_nobody(self, auth_file: Path) -> Self:
        return type(self)(self._engine.as_nobody(auth_file))

    async def inspect(self, name: str) -> LocalImage | None:
        return await self._engine.inspect(name)

    async def push(self, image: LocalImage, to: ImageRef, log: LogSink) -> Pushed | CommandFailed:
        raise EngineError(f"{to} is not pushed: this run only tries out a pull request")

    async def save(self, name: str, archive: Path) -> None:
        await self._engine.save(name, archive)

    async def load(self, archive: Path, name: str) -> LocalImage:
        return await self._engine.load(archive, name)

    async def remove(self, *names: str) -> None:
        await self._engine.remove(*names)

    async def prune(self, *, older_than_s: float) -> Pruned:
        return await self._engine.prune(older_than_s=older_than_s)

    @property
    def machine(self) -> Platform:
        return self._engine.machine

    def cannot_run(self, platform: Platform) -> str | None:
        return self._engine.cannot_run(platform)


class StrangersEngine(TrialEngine):
    """The same for what a fork proposes. Images of others in the storage are not shown: they may be private,
    and only a registry can tell whether everybody may have them.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.features = engine.features - {Feature.RUN_NETWORK}  # it may name the machine's

    async def inspect(self, name: str) -> LocalImage | None:
        return None


class NothingKnown:
    """`Memory` of `rebuild.images.resolve` for a stranger: what a digest holds, its registry tells."""

    def known_manifests(self, digest: Digest) -> Manifests | None:
        return None

    def content_of(self, digest: Digest) -> BaseContent | None:
        return None

    def newest_build(self, reference: ImageRef) -> LastBuild | None:
        return None

    def used(self, images: Sequence[ImageRef], written: ImageRef) -> Sequence[str]:
        return ()
