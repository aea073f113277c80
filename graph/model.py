"""The records that the graph is made of. Values only: no database, no clock, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from graph.record import dataclass
from graph.reference import Digest, ImageRef, Platform
from graph.words import Role, Via


@dataclass(frozen=True, slots=True)
class SaidBase:
    """What an image says that it stands on. Hearsay: shown, and never acted upon."""

    reference: ImageRef
    digest: Digest


@dataclass(frozen=True, slots=True)
class BaseContent:
    """What builds want to know of one platform's manifest. `diff_ids` are its uncompressed layers, lowest
    first; `of_docker` is whether its config says what only docker's format of images has a place for."""

    diff_ids: tuple[Digest, ...]
    of_docker: bool = False


@dataclass(frozen=True, slots=True)
class Manifests:
    """What one digest holds: for an index the manifest of each platform, else nothing.

    A digest never changes its content, so this is remembered for ever. `said` has, for those manifests
    that were asked, what they name as their base: None where that is nothing.
    """

    digest: Digest
    platforms: Mapping[Platform, Digest] = field(default_factory=dict)
    said: Mapping[Digest, SaidBase | None] = field(default_factory=dict, compare=False)

    @property
    def is_index(self) -> bool:
        return bool(self.platforms)

    def for_platform(self, platform: Platform) -> Digest | None:
        """The manifest that `platform` uses; the digest itself where there is no index."""
        if not self.is_index:
            return self.digest
        for candidate in platform.compatible:
            if candidate in self.platforms:
                return self.platforms[candidate]
        return None


@dataclass(frozen=True, slots=True)
class Followed:
    """Why a base is another tag than the one that was written: the rule, as text, that it follows."""

    rule: str
    written: ImageRef


@dataclass(frozen=True, slots=True)
class RecordedBase:
    """One base as one build used it: which reference, found where, resolved to what."""

    reference: ImageRef
    role: Role
    via: Via
    stage: str  # of the Dockerfile; of what a container ran, the step
    line: int
    manifests: Manifests
    platforms: tuple[Platform, ...]  # those that the build took from it
    followed: Followed | None = None  # None: the reference is as it was written


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One finished build: the images it made, what they hold and what they were made from."""

    images: tuple[ImageRef, ...]
    manifests: Manifests | None  # what the tags hold now; None where nothing was pushed
    content_id: Digest  # of config without volatile fields, plus layers; equal content, equal id
    platforms: tuple[Platform, ...]
    bases: tuple[RecordedBase, ...]
    resolved_at: datetime  # when the bases were asked for
    built_at: datetime
    duration_s: float
    run_id: str | None = None
    task_id: int | None = None
    pushed: bool = True  # False where the registry held the same content already
    step: str = ""  # of the task file that it was built for
