"""Where the layers of a build step are kept in a registry, and for which runs."""

from __future__ import annotations

import json
import urllib.request

import pytest

from graph.reference import ImageRef, Platform
from rebuild.runs.record import Status
from rebuild.steps.registry_cache import registry_cache
from rebuild.steps.step_place import EngineCalls, EngineKind, PlanSetting, RunPlace
from rebuild.steps.step_plan import plan_steps
from tests.e2e.bases import Shelf, with_shell
from tests.rebuild.steps.machine import Machine
from tests.rebuild.taskfile.reading import read

PLACE = RunPlace("ca1", "/runs/ca1")


def name_of(*tags: str, task: str = "t", step: str = "s", registry: str = "r.io") -> str:
    found = registry_cache(tags, task=task, step=step, registry=registry)
    assert found is not None
    return str(found.reference or found.fault)


def test_the_cache_is_beside_the_first_image_that_names_a_registry() -> None:
    assert name_of("app:1", "a.io/web/app:1", "b.io/c:1") == "a.io/web/app:cache_t_s"


def test_without_a_registry_in_any_name_it_is_that_of_the_run() -> None:
    assert name_of("web/app:1", "other") == "r.io/web/app:cache_t_s"


def test_a_run_without_a_task_is_called_quickrun() -> None:
    assert name_of("a.io/app", task="") == "a.io/app:cache_quickrun_s"


def test_without_an_image_name_there_is_none() -> None:
    assert registry_cache((), task="t", step="s", registry="r.io") is None


@pytest.mark.parametrize("step", ["x" * 129, "a/b", "ü"])
def test_a_name_that_is_none_is_told(step: str) -> None:
    assert "is not valid" in name_of("a.io/app", step=step)


def test_each_of_several_platforms_has_a_tag_of_its_own() -> None:
    found = registry_cache(["a.io/app"], task="t", step="s", registry="r.io")

    assert found and found.of_platform(Platform.parse("linux/arm/v7")) == ImageRef.parse(
        "a.io/app:cache_t_s-linux-arm-v7"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (EngineKind.PODMAN, ["--cache-to=a.io/app", "--cache-from=a.io/app"]),
        (EngineKind.DOCKER, ["--build-arg=BUILDKIT_INLINE_CACHE=1", "--cache-from=a.io/app:cache_t_b"]),
    ],
)
def test_a_plan_shows_what_the_engine_is_told_of_the_cache(kind: EngineKind, expected: list[str]) -> None:
    setting = PlanSetting(PLACE, EngineCalls.unprobed(kind), task="t")
    text = "steps: [{id: b, build: -t a.io/app:1 ., cache: Enabled}]"

    ((call,),) = (planned.calls for planned in plan_steps(read(text), setting))

    assert [word for word in call if "cache" in word.lower()] == expected


@pytest.mark.parametrize("cache", ["", ", cache: disabled"])
def test_only_who_asks_for_it_has_a_cache_in_a_registry(cache: str) -> None:
    (planned,) = plan_steps(read(f"steps: [{{build: -t a.io/app:1 .{cache}}}]"), PlanSetting(PLACE))

    assert not [word for word in planned.calls[0] if word.startswith(("--cache-to", "--cache-from"))]


def tags(shelf: Shelf, repository: str) -> list[str]:
    with urllib.request.urlopen(f"{shelf.registry.url}/v2/{repository}/tags/list") as answer:
        return list(json.loads(answer.read())["tags"] or [])


def step_with_cache(shelf: Shelf, repository: str) -> str:
    name = f"{shelf.host}/{repository}:1"
    return f"steps: [{{id: b, build: '-t {name} .', cache: enabled}}, {{push: [{name}]}}]"


@pytest.mark.anyio
async def test_the_cache_is_neither_an_output_nor_a_base_of_the_run(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put("cached/base:1", with_shell("base"))

    done = await steps_machine.run(
        step_with_cache(shelf, "cached/app"),
        {"Dockerfile": f"FROM {base}\nRUN echo one > /one\n"},
        task="web",
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert len(tags(shelf, "cached/app")) == 2  # that of the image, and that of its one step
    (record,) = done.outcome.records
    assert [str(image) for image in record.images] == [f"{shelf.host}/cached/app:1"]
    assert [str(one.reference) for one in record.bases] == [base]


@pytest.mark.anyio
async def test_a_proposal_neither_writes_nor_reads_a_cache_in_a_registry(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put("proposed/base:1", with_shell("base"))
    before = len(steps_machine.registry.requests())

    done = await steps_machine.run(
        step_with_cache(shelf, "proposed/app"), {"Dockerfile": f"FROM {base}\nRUN echo one\n"}, pushes=False
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert "No cache of layers in a registry: this run only tries it out" in done.log("b")
    assert not [line for line in steps_machine.registry.requests()[before:] if "proposed/app" in line]


@pytest.mark.anyio
async def test_a_step_whose_cache_can_have_no_name_is_built_and_says_so(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)

    done = await steps_machine.run(
        step_with_cache(shelf, "unnamed/app"),
        {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
        task="t" * 128,
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert "No cache of layers in a registry: image name" in done.log("b")
    assert tags(shelf, "unnamed/app") == ["1"]
