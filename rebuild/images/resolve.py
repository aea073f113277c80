"""Finds out what each base of a Dockerfile points to now, once for each reference. Builds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from graph.dockerfile import Base, Scan
from graph.errors import WrongUse
from graph.model import BaseContent, Manifests, RecordedBase
from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform
from graph.words import Role, Via
from rebuild.images.registry import NotFound, Registry, RegistryRefused, RegistryUnavailable


class UnusableBase(WrongUse):
    """A base that the registry does not have, or not for the platform; the image owner acts."""


@dataclass(frozen=True, slots=True)
class LastBuild:
    """What is recorded of the newest build of an image."""

    digest: Digest | None
    content_id: Digest


class Memory(Protocol):
    """What was learnt before about digests, which never change their content."""

    def known_manifests(self, digest: Digest) -> Manifests | None: ...

    def content_of(self, digest: Digest) -> BaseContent | None: ...

    def newest_build(self, reference: ImageRef) -> LastBuild | None: ...

    def used(self, images: Sequence[ImageRef], written: ImageRef) -> Sequence[str]:
        """The tags that the newest builds of the images took in the place of what is written."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The bases of one Dockerfile with what each points to."""

    bases: tuple[Base, ...]
    manifests: Mapping[ImageRef, Manifests]

    @property
    def pins(self) -> dict[tuple[ImageRef, Platform], Digest]:
        """The platform's own manifest for each place: the engine then has nothing left to choose."""
        return {(base.reference, base.platform): self._used(base) for base in self.bases}

    @property
    def runtime(self) -> Base | None:
        return next((base for base in self.bases if base.role is Role.RUNTIME), None)

    def manifest_of(self, base: Base) -> Digest:
        return self._used(base)

    def recorded(self) -> tuple[RecordedBase, ...]:
        return tuple(
            RecordedBase(
                base.reference,
                base.role,
                base.via,
                base.stage,
                base.line,
                self.manifests[base.reference],
                (base.platform,),
                base.followed,
            )
            for base in self.bases
        )

    def _used(self, base: Base) -> Digest:
        used = self.manifests[base.reference].for_platform(base.platform)
        assert used is not None  # resolve() refused those without the platform
        return used


def taken(found: Scan, *, reads_syntax_line: bool) -> tuple[Base, ...]:
    """The places that this build really takes an image from."""
    return tuple(
        base for base in found.bases if base.reachable and (base.via is not Via.SYNTAX or reads_syntax_line)
    )


def refuse_other_platform(path: str, bases: Iterable[Base], wanted: Platform) -> None:
    """Raise `UnusableBase` where the last stage names a platform other than that of the image."""
    base = next((base for base in bases if base.reachable and base.role is Role.RUNTIME), None)
    if base is None or base.platform.is_kin_of(wanted):
        return
    raise UnusableBase(
        f"{path}:{base.line}: FROM --platform makes an image for {base.platform}, where one for {wanted}"
        " is asked for",
        hint=f"build it with --platform {base.platform}, or leave the flag out of the last stage",
    )


async def resolve(path: str, bases: Iterable[Base], registry: Registry, memory: Memory) -> Resolved:
    """Ask for every base at once; `path` is the Dockerfile, for messages."""
    places = tuple(bases)
    first_place = {base.reference: base for base in reversed(places)}
    asking = [_resolve_one(path, base, registry, memory) for base in first_place.values()]
    answers = await asyncio.gather(*asking)
    manifests = dict(zip(first_place, answers, strict=True))
    for base in places:
        _check_platform(path, base, manifests[base.reference])
    return Resolved(places, manifests)


async def _resolve_one(path: str, base: Base, registry: Registry, memory: Memory) -> Manifests:
    place = f"{path}:{base.line}: base {base.as_written!r}{_followed(base)}"
    try:
        digest = base.reference.digest or await registry.digest(base.reference)
        return memory.known_manifests(digest) or await registry.manifests(base.reference, digest)
    except NotFound as error:
        raise UnusableBase(f"{place} cannot be resolved: {error.message}", hint=error.hint) from error
    except RegistryRefused as error:
        raise UnusableBase(f"{place} cannot be asked for: {error.message}", hint=error.hint) from error
    except RegistryUnavailable as error:
        told = f"{place} cannot be resolved now: {error.message}"
        raise type(error)(told, hint=error.hint, retry_after_s=error.retry_after_s) from error


def _followed(base: Base) -> str:
    return f", followed to {base.reference} by the rule {base.followed.rule}," if base.followed else ""


def _check_platform(path: str, base: Base, manifests: Manifests) -> None:
    if manifests.for_platform(base.platform) is None:
        has = ", ".join(str(platform) for platform in sorted(manifests.platforms))
        raise UnusableBase(
            f"{path}:{base.line}: base {base.as_written!r}{_followed(base)} has no image for {base.platform};"
            f" it has {has}",
            hint="name another base, or build for one of those with --platform",
        )
