"""Which builds of a plan a worker would carry out, read off the Dockerfiles of a context. Asks no worker."""

from __future__ import annotations

from pathlib import Path

from graph.dockerfile import scan
from graph.errors import TrackerError
from graph.record import dataclass
from graph.reference import Platform
from rebuild.engines.emulation import is_native, this_machine
from rebuild.engines.workers import Worker, runs_of, sent_away
from rebuild.images.image_build import DOCKERFILE_NAMES, read_dockerfile
from rebuild.steps.step_build import PlannedBuild
from rebuild.steps.step_place import EngineCalls, EngineKind


@dataclass(frozen=True, slots=True)
class WorkersOfPlan:
    """`Elsewhere` of `rebuild.steps.step_place`. `context` holds what `workspace` would hold in a run.

    A Dockerfile that is not there yet, or cannot be read, is taken for one without RUN.
    """

    workers: tuple[Worker, ...]
    context: Path
    workspace: str

    def __call__(self, build: PlannedBuild, platform: Platform) -> EngineCalls | None:
        dockerfile = self._dockerfile(build)
        worker = dockerfile and self._worker(dockerfile, build, platform)
        return EngineCalls(EngineKind.DOCKER, ("docker", *worker.docker_options)) if worker else None

    def _worker(self, dockerfile: Path, build: PlannedBuild, platform: Platform) -> Worker | None:
        try:
            found = scan(
                read_dockerfile(dockerfile, dockerfile.name),
                path=dockerfile.name,
                platform=platform,
                build_platform=this_machine(),
                build_args=build.build_args,
                target=build.line.target,
            )
        except (TrackerError, OSError):
            return None
        runs = [run.platform for run in runs_of(found) if not is_native(run.platform, host=this_machine())]
        candidates = sent_away(found, self.workers, host=this_machine())
        return next((worker for worker in candidates if all(map(worker.has, runs))), None)

    def _dockerfile(self, build: PlannedBuild) -> Path | None:
        names = (
            (build.dockerfile,)
            if build.dockerfile
            else (f"{build.context}/{name}" for name in DOCKERFILE_NAMES)
        )
        return next(filter(None, map(self._at_hand, names)), None)

    def _at_hand(self, planned: str) -> Path | None:
        """The file that a planned path stands for, unless it leads out of the context."""
        if not planned.startswith(f"{self.workspace}/"):
            return None
        context = self.context.resolve()
        path = (context / planned.removeprefix(f"{self.workspace}/")).resolve()
        return path if path.is_relative_to(context) and path.is_file() else None
