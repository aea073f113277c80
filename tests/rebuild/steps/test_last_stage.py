"""A last stage for another platform makes an image of that platform, recorded as such."""

from __future__ import annotations

import pytest

from graph.reference import Platform
from rebuild.runs.record import Status
from tests.e2e.bases import Shelf, layered_image
from tests.rebuild.steps.machine import FAILED, Machine

ARM64 = Platform.parse("linux/arm64")
FOREIGN = "FROM --platform=linux/arm64 {}\nARG TARGETARCH\nENV FOR=$TARGETARCH\nCOPY Dockerfile /\n"


@pytest.fixture(params=["podman", "docker"])
def machine(request: pytest.FixtureRequest, steps_machine: Machine) -> Machine:
    return steps_machine if request.param == "podman" else request.getfixturevalue("docker_steps_machine")


@pytest.fixture
def shelf(machine: Machine) -> Shelf:
    return Shelf(machine.registry, machine.registry.host)


def base_of_two(shelf: Shelf, name: str) -> str:
    return shelf.put_index(
        name, amd64=layered_image("amd64"), arm64=layered_image("arm64", architecture="arm64")
    )


@pytest.mark.anyio
async def test_the_image_is_of_the_platform_that_its_last_stage_names(machine: Machine, shelf: Shelf) -> None:
    base, name = base_of_two(shelf, "last/base:1"), shelf.name("last/app:1")

    done = await machine.run(
        f"steps: [{{build: -t {name} .}}, {{push: [{name}]}}]", {"Dockerfile": FOREIGN.format(base)}
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    (record,) = done.outcome.records
    assert (record.platforms, record.bases[0].platforms) == ((ARM64,), (ARM64,))
    config = shelf.config(name)
    assert config["architecture"] == "arm64"
    assert "FOR=amd64" in config["config"]["Env"]  # what the build is for, as with docker


@pytest.mark.anyio
async def test_a_build_on_such_an_image_of_the_same_run_is_of_its_platform_too(
    machine: Machine, shelf: Shelf
) -> None:
    base = base_of_two(shelf, "last/base:2")
    middle, top = shelf.name("last/middle:1"), shelf.name("last/top:1")

    done = await machine.run(
        f"steps: [{{build: -t {middle} -f m .}}, {{build: -t {top} -f t .}}, {{push: [{top}]}}]",
        {"m": FOREIGN.format(base).replace("Dockerfile", "m"), "t": f"FROM {middle}\nCOPY t /\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert shelf.config(top)["architecture"] == "arm64"


@pytest.mark.anyio
async def test_of_an_index_every_part_is_of_the_platform_that_was_asked_for(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base, name = base_of_two(shelf, "last/base:3"), shelf.name("last/many:1")

    done = await steps_machine.run(
        f"steps: [{{id: b, build: -t {name} ., platforms: [linux/amd64, linux/arm64]}}]",
        {"Dockerfile": FOREIGN.format(base)},
    )

    assert done.statuses == {"b": FAILED}
    assert "FROM --platform makes an image for linux/arm64, where one for linux/amd64" in done.error("b")


@pytest.mark.anyio
async def test_who_asks_for_another_platform_than_the_last_stage_names_is_refused(
    steps_machine: Machine,
) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base, name = base_of_two(shelf, "last/base:4"), shelf.name("last/app:2")

    done = await steps_machine.run(
        f"steps: [{{id: b, build: -t {name} .}}]",
        {"Dockerfile": f"FROM --platform=linux/amd64 {base}\nCOPY Dockerfile /\n"},
        platform=ARM64,
    )

    assert "FROM --platform makes an image for linux/amd64, where one for linux/arm64" in done.error("b")
