"""One machine for all tests of steps; each run on it has a folder, containers and a network of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real_registry import RealRegistry
from tests.rebuild.steps.machine import Machine, docker_machine, machine


@pytest.fixture(scope="session")
def steps_machine(
    tmp_path_factory: pytest.TempPathFactory, shared_registry: RealRegistry
) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("steps"), shared_registry) as made:
        yield made


@pytest.fixture(scope="session")
def docker_steps_machine(
    tmp_path_factory: pytest.TempPathFactory, shared_registry: RealRegistry
) -> Iterator[Machine]:
    with docker_machine(tmp_path_factory.mktemp("docker"), shared_registry) as made:
        yield made
