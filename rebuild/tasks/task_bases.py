"""The images that a task file takes something from, found before its first run. Asks no registry."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping

from graph.dockerfile import DockerfileError, Scan, scan
from graph.record import dataclass
from graph.reference import ImageRef, Platform
from graph.words import Role, Via
from rebuild.steps.step_rules import HELPER
from rebuild.taskfile import WORKSPACE, Build, Cmd, Step, TaskFile
from rebuild.taskfile.outputs import references


@dataclass(frozen=True, slots=True)
class DockerfileAt:
    """Where the Dockerfile of a build step is to be read.

    `context` is a remote one, as written, or None for the task's own. `path` is relative to the top of that
    context; None is the `Dockerfile` (else `Containerfile`) in `folder`, relative to the same.
    """

    step: str
    context: str | None
    folder: str
    path: str | None


@dataclass(frozen=True, slots=True)
class TaskBase:
    """One place in a task that names an image."""

    step: str
    reference: ImageRef
    role: Role
    via: Via
    stage: str  # "" for a cmd step
    line: int  # of the Dockerfile; of the task file for a cmd step
    reachable: bool
    platform: Platform
    built_by: str | None  # the step of this very task that gives the image


@dataclass(frozen=True, slots=True)
class Unscanned:
    """A step whose images cannot be known yet, and why."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class TaskBases:
    """All that a task stands on, as far as it can be seen."""

    bases: tuple[TaskBase, ...]
    unscanned: tuple[Unscanned, ...] = ()

    @property
    def watched(self) -> frozenset[ImageRef]:
        """What is somebody else's to change: used, and not built by the task itself."""
        return frozenset(base.reference for base in self.bases if base.reachable and base.built_by is None)


def bases_of_task(
    taskfile: TaskFile,
    read_dockerfile: Callable[[DockerfileAt], bytes | None],
    *,
    platform: Platform,
    build_platform: Platform,
    helper: ImageRef = HELPER,
) -> TaskBases:
    """Scan every build step, and take the images of every `cmd` step, in the order of the file.

    `read_dockerfile` answers None for what is not there. A Dockerfile that cannot be found or understood
    makes its step `Unscanned`; the others are scanned all the same. `platform` is that of the run,
    `build_platform` the machine's, `helper` the image that does what follows an operator in `cmd`.
    """
    built = taskfile.built_images()
    bases: list[TaskBase] = []
    unscanned: list[Unscanned] = []
    for step in taskfile.steps:
        match step.action:
            case Build() as build:
                for one in build.platforms or (platform,):
                    found = _scan(step, build, read_dockerfile, one, build_platform)
                    if isinstance(found, Unscanned):
                        unscanned.append(found)
                        break
                    bases += _of_build(step, found, built)
            case Cmd(image, tail=tail):
                if any(references(image)):
                    unscanned.append(Unscanned(step.id, f"its image {image} is known only while it runs"))
                else:
                    bases.append(_of_cmd(step, ImageRef.parse(image), platform, built))
                if tail is not None and tail.scripts:
                    bases.append(_of_cmd(step, helper, platform, built))
            case _:
                pass  # what is pushed was built before
    return TaskBases(tuple(bases), tuple(unscanned))


def _scan(
    step: Step,
    build: Build,
    read_dockerfile: Callable[[DockerfileAt], bytes | None],
    platform: Platform,
    build_platform: Platform,
) -> Scan | Unscanned:
    if any(reference for word in build.words for reference in references(word)):
        return Unscanned(step.id, "its build line is complete only while the task runs")
    place = _place(step, build)
    if isinstance(place, Unscanned):
        return place
    content = read_dockerfile(place)
    where = place.path or posixpath.join(place.folder, "Dockerfile")
    if content is None:
        return Unscanned(step.id, f"there is no {where}" + (f" in {place.context}" if place.context else ""))
    try:
        return scan(
            content,
            path=where,
            platform=platform,
            build_platform=build_platform,
            build_args=build.line.arguments(dict(step.environment)),
            target=build.line.target,
        )
    except DockerfileError as error:
        return Unscanned(step.id, error.message)


def _place(step: Step, build: Build) -> DockerfileAt | Unscanned:
    line = build.line
    if line.is_remote:
        path = posixpath.normpath(line.dockerfile) if line.dockerfile else None
        if path is not None and (path.startswith(("../", "/")) or path == ".."):
            return Unscanned(step.id, f"Dockerfile {path} is outside of its context")
        return DockerfileAt(step.id, line.context, "", path)
    directory = step.working_directory or WORKSPACE
    folder = _in_workspace(line.folder(directory))
    dockerfile = posixpath.normpath(posixpath.join(directory, line.dockerfile or ""))
    path = _in_workspace(dockerfile) if line.dockerfile else None
    if folder is None or (line.dockerfile and path is None):
        return Unscanned(step.id, f"it builds outside of {WORKSPACE}")
    return DockerfileAt(step.id, None, folder, path)


def _in_workspace(path: str) -> str | None:
    """Relative to the workspace, "" for itself; None for what is outside."""
    if path == WORKSPACE:
        return ""
    return path.removeprefix(f"{WORKSPACE}/") if path.startswith(f"{WORKSPACE}/") else None


def _of_build(step: Step, found: Scan, built: Mapping[ImageRef, str]) -> Iterator[TaskBase]:
    for base in found.bases:
        yield TaskBase(
            step.id,
            base.reference,
            base.role,
            base.via,
            base.stage,
            base.line,
            base.reachable,
            base.platform,
            built.get(base.reference),
        )


def _of_cmd(step: Step, image: ImageRef, platform: Platform, built: Mapping[ImageRef, str]) -> TaskBase:
    return TaskBase(step.id, image, Role.BUILDTIME, Via.CMD, "", step.line, True, platform, built.get(image))
