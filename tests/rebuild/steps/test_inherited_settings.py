"""What a base says of health checks and shells is handed on, whatever format it comes in."""

from __future__ import annotations

from typing import Any

import pytest

from rebuild.runs.record import Status
from tests.e2e.bases import Shelf, saying, with_shell
from tests.rebuild.steps.machine import Done, Machine

HEALTHCHECK = {"Test": ["CMD-SHELL", "true"], "Interval": 30000000000}
SHELL = ["/bin/sh", "-ec"]


@pytest.fixture(params=["podman", "docker"])
def machine(request: pytest.FixtureRequest, steps_machine: Machine) -> Machine:
    return steps_machine if request.param == "podman" else request.getfixturevalue("docker_steps_machine")


@pytest.fixture
def shelf(machine: Machine) -> Shelf:
    return Shelf(machine.registry, machine.registry.host)


async def built_on(machine: Machine, base: str, name: str) -> Done:
    text = f"steps: [{{id: b, build: -t {name} .}}, {{id: p, push: [{name}]}}]"
    done = await machine.run(text, {"Dockerfile": f"FROM {base}\nRUN echo one > /one\n"})
    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    return done


def settings_of(shelf: Shelf, name: str) -> dict[str, Any]:
    return dict(shelf.config(name)["config"])


@pytest.mark.anyio
async def test_a_base_hands_its_health_check_and_its_shell_on(machine: Machine, shelf: Shelf) -> None:
    base = shelf.put("inherited/base:1", saying(with_shell("a"), Healthcheck=HEALTHCHECK, Shell=SHELL))
    name = shelf.name("inherited/app:1")

    await built_on(machine, base, name)

    assert settings_of(shelf, name)["Healthcheck"] == HEALTHCHECK
    assert settings_of(shelf, name)["Shell"] == SHELL


@pytest.mark.anyio
async def test_an_image_that_has_got_a_health_check_is_pushed_once(machine: Machine, shelf: Shelf) -> None:
    name = shelf.name("inherited/stable:1")
    base = shelf.put("inherited/base:2", saying(with_shell("b"), Healthcheck=HEALTHCHECK))
    first = await built_on(machine, base, name)

    second = await built_on(machine, base, name)

    assert "unchanged" not in first.log("p")
    assert "unchanged" in second.log("p")


@pytest.mark.anyio
async def test_a_base_of_the_same_run_hands_them_on_too(machine: Machine, shelf: Shelf) -> None:
    base = shelf.put("inherited/base:3", with_shell("c"))
    middle, top = shelf.name("inherited/middle:1"), shelf.name("inherited/top:1")

    done = await machine.run(
        f"steps: [{{build: -t {middle} -f m .}}, {{build: -t {top} -f t .}}, {{push: [{top}]}}]",
        {"m": f"FROM {base}\nHEALTHCHECK CMD true\n", "t": f"FROM {middle}\nRUN echo one > /one\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert settings_of(shelf, top)["Healthcheck"] == {"Test": ["CMD-SHELL", "true"]}


@pytest.mark.anyio
async def test_without_them_podman_keeps_the_format_that_has_annotations(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put("inherited/plain:1", with_shell("d"))

    await built_on(steps_machine, base, shelf.name("inherited/app:2"))

    assert shelf.manifest(shelf.name("inherited/app:2"))["annotations"]
