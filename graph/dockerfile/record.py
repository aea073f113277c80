"""What a scan finds in a Dockerfile: stages, bases, features. Knows nothing of how they are found."""

from __future__ import annotations

from enum import StrEnum

from graph.model import Followed
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from graph.words import Role, Via


class Feature(StrEnum):
    """A part of the Dockerfile language that not every engine understands."""

    HEREDOC = "heredoc"
    RUN_MOUNT = "RUN --mount"
    RUN_NETWORK = "RUN --network"
    RUN_SECURITY = "RUN --security"
    RUN_DEVICE = "RUN --device"
    COPY_LINK = "COPY --link"
    COPY_CHMOD = "COPY --chmod"
    COPY_PARENTS = "COPY --parents"
    COPY_EXCLUDE = "COPY --exclude"
    ADD_LINK = "ADD --link"
    ADD_CHMOD = "ADD --chmod"
    ADD_EXCLUDE = "ADD --exclude"
    ADD_CHECKSUM = "ADD --checksum"
    ADD_KEEP_GIT_DIR = "ADD --keep-git-dir"
    ADD_UNPACK = "ADD --unpack"
    ADD_GIT = "ADD of a git repository"


@dataclass(frozen=True, slots=True)
class FeatureUse:
    """One use of a feature, in any stage, at the line where its instruction begins."""

    feature: Feature
    line: int


@dataclass(frozen=True, slots=True)
class Span:
    """Where a name stands: offsets into the text that `graph.dockerfile.fold.decode` makes of the file."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM. `base` is a full reference, the lower-case name of the stage it stands on, or "scratch"."""

    index: int
    name: str | None  # lower case
    base: str
    reachable: bool  # whether the build of the target takes anything from it
    line: int
    runs: FirstRun | None = None


@dataclass(frozen=True, slots=True)
class FirstRun:
    """The first program that a stage runs, and the platform that it is for."""

    line: int
    platform: Platform


@dataclass(frozen=True, slots=True)
class Base:
    """One place that names an image."""

    reference: ImageRef
    as_written: str  # before variables are replaced, without the quotes around it
    role: Role
    via: Via
    stage: str  # the stage's name, else its index; "" for the syntax line, which is in no stage
    line: int  # where the instruction begins
    reachable: bool
    platform: Platform
    onbuild: bool  # named by an ONBUILD trigger; reachable only if a stage of this file fires it
    span: Span
    followed: Followed | None = None  # where another tag takes the place of the one that is written


@dataclass(frozen=True, slots=True)
class Scan:
    """All that a build of `target` for `platform` takes from elsewhere, in the order of the file."""

    target: str | None
    platform: Platform
    stages: tuple[Stage, ...]
    bases: tuple[Base, ...]
    features: tuple[FeatureUse, ...]
    upper_case_names: tuple[Span, ...] = ()  # of stages, where they are given and where they are taken
