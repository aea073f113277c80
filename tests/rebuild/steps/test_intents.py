"""What an attempt that was cut off has pushed is not pushed again as something else."""

from __future__ import annotations

import pytest

from rebuild.runs.record import Status
from rebuild.steps.intents import Intents
from tests.e2e.bases import Shelf, with_shell
from tests.rebuild.steps.machine import Done, Machine


class Attempts:
    """A run that is begun again and again; what its attempts write down is kept."""

    def __init__(self, machine: Machine, steps: str, dockerfile: str) -> None:
        self.machine, self.steps, self.dockerfile = machine, steps, dockerfile
        self.text: str | None = None

    def keep(self, text: str) -> None:
        self.text = text

    async def next(self) -> Done:
        done = await self.machine.run(
            f"steps: {self.steps}",
            {"Dockerfile": self.dockerfile},
            intents=Intents.resuming(self.text, self.keep),
        )
        assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
        return done


@pytest.fixture
def shelf(steps_machine: Machine) -> Shelf:
    return Shelf(steps_machine.registry, steps_machine.registry.host)


def anew(shelf: Shelf, name: str) -> str:
    return f"FROM {shelf.put(name, with_shell(name))}\nRUN echo $RANDOM$RANDOM > /anew\n"


def pushing(*names: str, flags: str = "--no-cache", more: str = "") -> str:
    tags = " ".join(f"-t {name}" for name in names)
    return f"[{{id: b, build: '{flags} {tags} .'{more}}}, {{id: p, push: [{', '.join(names)}]}}]"


@pytest.mark.anyio
async def test_the_next_attempt_records_what_the_last_one_pushed(
    steps_machine: Machine, shelf: Shelf
) -> None:
    name = shelf.name("intents/app:1")
    attempts = Attempts(steps_machine, pushing(name), anew(shelf, "intents/base:1"))
    first = await attempts.next()
    pushed = shelf.digest(name)

    second = await attempts.next()

    assert shelf.digest(name) == pushed
    (record,) = second.outcome.records
    assert record.manifests and record.manifests.digest == pushed
    assert record.content_id == first.outcome.records[0].content_id
    assert f"The interrupted attempt had pushed {name} as {pushed}" in second.log("p")


@pytest.mark.anyio
async def test_names_that_are_to_hold_the_same_do_so_after_a_push_that_was_cut_off(
    steps_machine: Machine, shelf: Shelf
) -> None:
    one, other = shelf.name("intents/two:1"), shelf.name("intents/two-again:1")
    attempts = Attempts(steps_machine, pushing(one, other), anew(shelf, "intents/base:2"))
    await attempts.next()
    shelf.delete(other)

    await attempts.next()

    assert shelf.layers(one) == shelf.layers(other)


@pytest.mark.anyio
async def test_an_index_that_was_pushed_is_recorded_as_well(steps_machine: Machine, shelf: Shelf) -> None:
    name = shelf.name("intents/many:1")
    both = ", platforms: [linux/amd64, linux/arm64]"
    text = "FROM scratch\nCOPY Dockerfile /f\n"
    attempts = Attempts(steps_machine, pushing(name, more=both), text)
    await attempts.next()
    pushed = shelf.digest(name)
    attempts.dockerfile = f"{text}LABEL anew=1\n"

    second = await attempts.next()

    assert shelf.digest(name) == pushed
    assert len(second.outcome.records[0].platforms) == 2


@pytest.mark.anyio
async def test_a_name_that_somebody_else_has_pushed_to_meanwhile_is_pushed_anew(
    steps_machine: Machine, shelf: Shelf
) -> None:
    name = shelf.name("intents/overtaken:1")
    attempts = Attempts(steps_machine, pushing(name), anew(shelf, "intents/base:3"))
    await attempts.next()
    shelf.put("intents/overtaken:1", with_shell("somebody else's"))

    second = await attempts.next()

    assert second.outcome.records[0].manifests is not None
    assert shelf.digest(name) == second.outcome.records[0].manifests.digest
    assert "The interrupted attempt" not in second.log("p")


@pytest.mark.anyio
async def test_a_push_is_noted_before_anything_of_it_is_there(steps_machine: Machine, shelf: Shelf) -> None:
    name = shelf.name("intents/noted:1")
    held_when_noted: list[object] = []

    done = await steps_machine.run(
        f"steps: {pushing(name)}",
        {"Dockerfile": anew(shelf, "intents/base:4")},
        intents=Intents(keep=lambda text: held_when_noted.append(shelf.digest(name))),
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert held_when_noted == [None]
