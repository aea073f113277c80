"""The containers that belong to an engine. Starts none."""

from __future__ import annotations

from rebuild.engines.container import Containers
from rebuild.engines.docker_containers import DockerContainers
from rebuild.engines.engine import Engine, EngineError
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_containers import PodmanContainers
from rebuild.engines.surroundings import Surroundings


def containers_for(engine: Engine, around: Surroundings) -> Containers:
    """Of the same engine, so that a step finds the images that the steps before it have built."""
    if isinstance(engine, PodmanEngine):
        return PodmanContainers(engine.probe, around, on_push=engine.on_push)
    from rebuild.engines.docker import DockerEngine

    if isinstance(engine, DockerEngine):
        return DockerContainers(engine.probe, around, on_push=engine.on_push)
    raise EngineError(f"the engine {engine.name} starts no containers")
