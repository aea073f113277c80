"""Where one run lives on the machine, and how the engine is called there. Makes no folder, starts nothing."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, Platform
from rebuild.engines.podman_command import Podman
from rebuild.engines.probe import EngineProbe
from rebuild.steps.step_rules import StepRules
from rebuild.taskfile import WORKSPACE, Step

if TYPE_CHECKING:
    from rebuild.steps.step_build import PlannedBuild

RUN_LABEL = "io.tracker.run"
FOLDER_LABEL = "io.tracker.folder"  # of one run on this machine; a run id may be somebody else's, too


class EngineKind(StrEnum):
    PODMAN = "podman"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class EngineCalls:
    """How a command line of the engine begins, and what every container needs on this machine."""

    kind: EngineKind = EngineKind.PODMAN
    program: tuple[str, ...] = ("podman",)  # with its global options
    run_flags: tuple[str, ...] = ()

    @classmethod
    def unprobed(cls, kind: EngineKind) -> EngineCalls:
        """As on a machine that needs nothing special, for a plan where no engine is."""
        return cls(kind, (str(kind),))

    @classmethod
    def podman(cls, podman: Podman, probe: EngineProbe) -> EngineCalls:
        return cls(EngineKind.PODMAN, tuple(podman.argv()), tuple(f"--ulimit={one}" for one in probe.ulimits))

    @classmethod
    def docker(cls, probe: EngineProbe) -> EngineCalls:
        return cls(EngineKind.DOCKER, (probe.program,), tuple(f"--ulimit={one}" for one in probe.ulimits))


@dataclass(frozen=True, slots=True)
class RunPlace:
    """The folder of one run, and the names that its containers and networks begin with."""

    run: str
    folder: str  # absolute

    @property
    def prefix(self) -> str:
        """Unlike all others of the machine: storages share networks, and every state counts from a1."""
        return f"tracker-{self.run}-{hashlib.sha256(self.folder.encode()).hexdigest()[:6]}"

    @property
    def labels(self) -> tuple[str, ...]:
        """Flags that mark what a run makes, so that it can be found and removed as a whole."""
        return f"--label={RUN_LABEL}={self.run}", f"--label={FOLDER_LABEL}={self.folder}"

    @property
    def workspace(self) -> str:
        """What every step sees as /workspace."""
        return f"{self.folder}/workspace"

    @property
    def home(self) -> str:
        """What every step has as its home."""
        return f"{self.folder}/home"

    @property
    def image_prefix(self) -> str:
        """Of the names that images of this run have in the engine's storage, for it alone."""
        return f"localhost/{self.prefix}-"

    def container(self, step: Step) -> str:
        return f"{self.prefix}-{step.id}"

    def helper(self, step: Step) -> str:
        """Its helper container. No step can have a name with that dot before its id."""
        return f"{self.prefix}.helper-{step.id}"

    def pipe(self, step: Step) -> str:
        """What leads from the step's own container to its helper."""
        return f"{self.folder}/pipes/{step.id}"

    def outputs(self, step: Step) -> str:
        """The folder that holds the file `outputs` of one step."""
        return f"{self.folder}/outputs/{step.id}"

    def environment_file(self, step: Step) -> str:
        """Variables that hold secrets, which no command line may show."""
        return f"{self.folder}/environments/{step.id}"

    def volume(self, name: str) -> str:
        return f"{self.folder}/volumes/{name}"

    def fetched(self, step: Step) -> str:
        """Where a context that a build step names itself is put."""
        return f"{self.folder}/contexts/{step.id}"

    def on_host(self, path: str, step: Step) -> str | None:
        """Where a path of the step lies in the folder of the run; None where it is in none of its mounts.

        Links are not followed: whoever opens the file must not follow them out either.
        """
        wanted = posixpath.normpath(posixpath.join(step.working_directory or WORKSPACE, path))
        mounts = [(mount.path, self.volume(mount.volume)) for mount in step.mounts]
        for inside, outside in [*mounts, (WORKSPACE, self.workspace)]:
            base = posixpath.normpath(inside)
            if wanted == base or wanted.startswith(f"{base}/"):
                return posixpath.normpath(f"{outside}/{wanted.removeprefix(base)}")
        return None


class Elsewhere(Protocol):
    """Which builds a worker carries out."""

    def __call__(self, build: PlannedBuild, platform: Platform) -> EngineCalls | None:
        """How its engine is called; None where the build is carried out here."""


@dataclass(frozen=True, slots=True)
class PlanSetting:
    """All that a plan depends on besides the task file."""

    place: RunPlace
    engine: EngineCalls = EngineCalls()
    rules: StepRules = field(default_factory=StepRules)
    platform: Platform | None = None  # None: the machine's own
    task: str = ""  # its name; of a quick run none
    registry: str = DEFAULT_REGISTRY  # `.Run.Registry`
    elsewhere: Elsewhere | None = None  # for a plan that is shown; a run finds out when it builds
