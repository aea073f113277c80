"""Which engine this machine has: the one that was asked for, else the first that works. Builds nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from rebuild.engines.engine import EngineError
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.probe import EngineProbe
from rebuild.engines.surroundings import Surroundings

if TYPE_CHECKING:
    from rebuild.engines.docker import DockerEngine


class Choice(StrEnum):
    """The setting `engine`."""

    AUTO = "auto"
    PODMAN = "podman"
    DOCKER = "docker"


async def find_engine(
    choice: Choice, around: Surroundings, *, afresh: bool = False
) -> PodmanEngine | DockerEngine:
    """The engine to use. `auto` takes podman where it can build, else docker, else says why neither does.

    `afresh` tries everything out again instead of trusting what was remembered.
    """
    match choice:
        case Choice.PODMAN:
            return PodmanEngine(await probe_podman(around, afresh=afresh), around)
        case Choice.DOCKER:
            from rebuild.engines.docker import DockerEngine
            from rebuild.engines.docker_probe import probe_docker

            return DockerEngine(await probe_docker(around, afresh=afresh), around)
        case Choice.AUTO:
            return await _first_that_works(around, afresh=afresh)
        case _:
            assert_never(choice)


async def _first_that_works(around: Surroundings, *, afresh: bool) -> PodmanEngine | DockerEngine:
    reasons = []
    for candidate in (Choice.PODMAN, Choice.DOCKER):
        try:
            engine = await find_engine(candidate, around, afresh=afresh)
        except EngineError as error:
            reasons.append(f"{candidate}: {error.message}")
            continue
        if engine.probe.can_build:
            return engine
        reasons.append(f"{candidate}: {_last_note(engine.probe)}")
    raise EngineError(
        "no engine on this machine can build: " + "; ".join(reasons),
        hint="on Debian: apt-get install podman runc; `tracker doctor` prints what was tried",
    )


def _last_note(probe: EngineProbe) -> str:
    return probe.notes[-1] if probe.notes else "nothing works"
