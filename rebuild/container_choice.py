"""The containers that belong to an engine. Starts none."""

from __future__ import annotations

from rebuild.container import Containers
from rebuild.docker_containers import DockerContainers
from rebuild.engine import Engine, EngineError
from rebuild.podman import PodmanEngine
from rebuild.podman_containers import PodmanContainers
from rebuild.surroundings import Surroundings


def containers_for(engine: Engine, around: Surroundings) -> Containers:
    """Of the same engine, so that a step finds the images that the steps before it have built."""
    if isinstance(engine, PodmanEngine):
        return PodmanContainers(engine.probe, around)
    from rebuild.docker import DockerEngine

    if isinstance(engine, DockerEngine):
        return DockerContainers(engine.probe, around)
    raise EngineError(f"the engine {engine.name} starts no containers")
