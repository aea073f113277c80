"""The images of one run: those that its steps have built, and those that its containers run.

A container runs the very image that is recorded: by its id where a step has built it, else by the digest that
its name had when the run first used it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import field, replace
from functools import partial
from typing import NoReturn

from graph.errors import TrackerError
from graph.model import BaseContent, BuildRecord, Manifests, RecordedBase
from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform
from graph.words import Role, Via
from rebuild.engines.container import Containers
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import CommandFailed, Engine, LocalImage, LogSink
from rebuild.images.at_hand import AtHand
from rebuild.images.registry import RegistryError
from rebuild.images.resolve import UnusableBase
from rebuild.images.tools import Tools
from rebuild.steps.helper_image import busybox_image
from rebuild.taskfile import Step

_ENGINE_ONLY = "localhost"  # a name without a port, as podman gives it to what has no registry


class NotPulled(TrackerError):
    """The engine did not bring an image here that the registry says it has."""


class NoHelper(TrackerError):
    """Neither a registry nor this machine has a shell for what follows an operator."""


@dataclass(frozen=True, slots=True)
class Part:
    """One platform of a built image; `name` is the run's own for it in the engine's storage."""

    name: str
    image: LocalImage
    record: BuildRecord
    engine: Engine  # that has it
    contents: Mapping[Digest, BaseContent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """What one build step gave."""

    step: str
    parts: Mapping[Platform, Part]

    @property
    def is_index(self) -> bool:
        return len(self.parts) > 1

    @property
    def record(self) -> BuildRecord:
        return next(iter(self.parts.values())).record

    def part(self, platform: Platform) -> Part | None:
        return next((self.parts[one] for one in platform.compatible if one in self.parts), None)


@dataclass(frozen=True, slots=True)
class Runnable:
    """What to run for a name; `base` is what to record of it, if a registry has told its digest."""

    name: str
    base: RecordedBase | None = None


Carry = Callable[[Part, Engine], Awaitable[LocalImage]]


class RunImages:
    """Filled as the run goes on. `platform` is the one that containers have; for `helper`, where it is not to
    be had, the busybox of this machine will do. `carry` brings what one engine has built to another."""

    def __init__(
        self, tools: Tools, containers: Containers, platform: Platform, *, helper: ImageRef, carry: Carry
    ) -> None:
        self._tools = tools
        self._containers = containers
        self._platform = platform
        self._helper = helper
        self._carry = carry
        self._carried: dict[tuple[str, str | None], LocalImage] = {}
        self._carrying = asyncio.Lock()
        self._built: dict[ImageRef, BuiltImage] = {}
        self._used: dict[ImageRef, Runnable] = {}
        self._locks: dict[ImageRef, asyncio.Lock] = {}

    def add(self, names: Iterable[ImageRef], built: BuiltImage) -> None:
        self._built.update(dict.fromkeys(names, built))

    def built(self, name: ImageRef) -> BuiltImage | None:
        return self._built.get(name)

    def at_hand(self, platform: Platform) -> dict[ImageRef, AtHand]:
        """What a build for that platform finds in the engine's storage."""
        parts = {name: built.part(platform) for name, built in self._built.items()}
        return {
            name: AtHand(part.name, part.image, part.record.bases, part.engine, partial(self._on, part))
            for name, part in parts.items()
            if part
        }

    async def runnable(self, name: ImageRef, step: Step, log: LogSink) -> Runnable:
        """Have the image in the engine's storage. Once a run: its digest does not change meanwhile."""
        built = self._built.get(name)
        if built is not None:
            part = _part_to_run(built, name, self._platform)
            return Runnable((await self._on(part, self._tools.engine)).image_id.hex)
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._used:
                self._used[name] = await self._fetched(name, step, log)
            return self._used[name]

    async def _on(self, part: Part, engine: Engine) -> LocalImage:
        """The image in the storage of that engine, brought there once."""
        if part.engine.worker == engine.worker:
            return part.image
        async with self._carrying:
            key = (part.name, engine.worker)
            if key not in self._carried:
                self._carried[key] = await self._carry(part, engine)
            return self._carried[key]

    async def _fetched(self, name: ImageRef, step: Step, log: LogSink) -> Runnable:
        if name.registry == _ENGINE_ONLY:
            return await self._as_it_is(name, "no registry has it", log) or _missing(name, step)
        try:
            manifests = await self._resolved(name)
        except RegistryError as error:
            here = await self._as_it_is(name, error.message, log)
            if here is None and name == self._helper:
                return await self._stand_in(error.message, log)
            if here is None:
                raise
            return here
        digest = manifests.for_platform(self._platform)
        if digest is None:
            raise UnusableBase(
                f"step {step.id!r}: image {name} has nothing for {self._platform}",
                hint="name another image, or run the task for a platform that it has",
            )
        pinned = name.with_digest(digest)
        log(f"image {name} is {digest}\n".encode())
        if await self._tools.engine.inspect(str(pinned)) is None:
            await self._pull(pinned, log)
        base = RecordedBase(name, Role.BUILDTIME, Via.CMD, step.id, step.line, manifests, (self._platform,))
        return Runnable(str(pinned), base)

    async def _resolved(self, name: ImageRef) -> Manifests:
        digest = name.digest or await self._tools.registry.digest(name)
        known = self._tools.memory.known_manifests(digest)
        return known or await self._tools.registry.manifests(name, digest)

    async def _pull(self, pinned: ImageRef, log: LogSink) -> None:
        failed = await self._containers.pull(pinned, self._platform, log)
        if isinstance(failed, CommandFailed):
            last = failed.log_tail.strip().splitlines()[-1:] or ["without a word"]
            raise NotPulled(f"image {pinned} cannot be pulled: {last[0]}")

    async def _as_it_is(self, name: ImageRef, why: str, log: LogSink) -> Runnable | None:
        """What the engine has under that name, where no registry answers for it."""
        image = await self._tools.engine.inspect(str(name))
        if image is None:
            return None
        log(f"image {name} is what the engine has here ({why}): nothing is recorded of it\n".encode())
        return Runnable(image.image_id.hex)

    async def _stand_in(self, why: str, log: LogSink) -> Runnable:
        """The busybox of this machine instead of the helper."""
        made = None
        if self._platform == this_machine():
            made = await busybox_image(self._tools.engine, self._containers)
        if made is None:
            raise NoHelper(
                f"the image {self._helper}, whose shell does what follows an operator, cannot be had: {why}",
                hint="set task_files.helper_image to an image that can be, or install busybox-static",
            )
        log(f"image {self._helper} is this machine's busybox ({why}): nothing is recorded of it\n".encode())
        return Runnable(made)


def _missing(name: ImageRef, step: Step) -> NoReturn:
    raise UnusableBase(
        f"step {step.id!r}: {name} is a name of the engine's own, and the engine has no such image",
        hint="build it in a step before, or name an image of a registry",
    )


def _part_to_run(built: BuiltImage, name: ImageRef, platform: Platform) -> Part:
    part = built.part(platform)
    if part is None:
        has = ", ".join(str(one) for one in built.parts)
        raise UnusableBase(
            f"step {built.step!r} has built {name} for {has}, and containers here are of {platform}",
            hint=f"add {platform} to its platforms",
        )
    return part


def with_bases(record: BuildRecord, used: Iterable[RecordedBase]) -> BuildRecord:
    """The record with images that only containers have run; those that the build names itself come first."""
    named = {base.reference for base in record.bases}
    more = {base.reference: base for base in used if base.reference not in named}
    return replace(record, bases=(*record.bases, *more.values()))
