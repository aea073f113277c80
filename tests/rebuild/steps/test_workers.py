"""Steps of one run on two machines: what a worker has built is run, stood upon and pushed from here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from graph.reference import Platform
from rebuild.engines.engine import Engine, EngineError
from rebuild.engines.probe_program import SAYS, program
from rebuild.engines.worker_engine import open_worker
from rebuild.engines.workers import Worker, Workers
from rebuild.runs.record import Status
from tests.e2e.bases import Shelf, layered_image
from tests.real_worker import RealWorker, real_worker
from tests.rebuild.steps.machine import FAILED, Done, Machine

ARM64 = Platform.parse("linux/arm64")
RUNS = 'RUN ["/probe"]\n'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorker]:
    with real_worker(tmp_path_factory.mktemp("worker")) as made:
        yield made


@pytest.fixture
def base(steps_machine: Machine) -> str:
    """An image that has the same name for both platforms, and a program for each."""
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    return shelf.put_index(
        "workers/base:1",
        **{
            one: layered_image(one, architecture=one, files={"probe": program(one) or b""})
            for one in ("amd64", "arm64")
        },
    )


async def run(machine: Machine, worker: Worker, text: str, files: dict[str, str], **options: Any) -> Done:
    """Carry a task file out on a machine that has this worker."""
    async with machine.means() as plain:
        workers = Workers((worker,), partial(open_worker, machine.around, None))
        tools = replace(plain.tools, workers=workers)
        return await machine.run(text, files, tools=tools, **options)


def places(done: Done, *steps: str) -> dict[str, str]:
    """Where each step was built, as its log tells."""
    return {
        step: next((line for line in done.printed(step) if "built on worker" in line), "here")
        for step in steps
    }


@pytest.mark.anyio
async def test_each_platform_of_an_index_is_built_where_it_belongs(
    steps_machine: Machine, running: RealWorker, base: str
) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    name = f"{shelf.host}/workers/index:1"

    done = await run(
        steps_machine,
        running.named("arm", "linux/arm64"),
        f"""
        version: v1.1.0
        steps:
        - {{id: b, build: -t {name} ., platforms: [linux/amd64, linux/arm64]}}
        - {{id: p, push: [{name}]}}
        """,
        {"Dockerfile": f"FROM {base}\n{RUNS}"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert done.log("b").count("built on worker arm") == 1
    entries = shelf.manifest(name)["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    below = {
        entry["platform"]["architecture"]: entry["digest"] for entry in shelf.manifest(base)["manifests"]
    }
    for entry in entries:
        lowest = shelf.layers(base, digest=below[entry["platform"]["architecture"]])
        assert shelf.layers(name, digest=entry["digest"])[: len(lowest)] == lowest
    (record,) = done.outcome.records
    assert record.manifests is not None
    assert record.manifests.digest == shelf.digest(name)
    assert [str(platform) for platform in record.platforms] == ["linux/amd64", "linux/arm64"]
    assert {str(one.reference) for one in record.bases} == {base}


@pytest.mark.anyio
async def test_images_are_brought_to_the_machine_where_the_next_step_needs_them(
    steps_machine: Machine, running: RealWorker
) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    foreign = shelf.put(
        "workers/foreign:1",
        layered_image("f", architecture="arm64", files={"probe": program("arm64") or b""}),
    )
    names = {step: f"{shelf.host}/workers/{step}:1" for step in ("bare", "app", "top")}

    done = await run(
        steps_machine,
        running.named("arm", "linux/arm64"),
        f"""
        steps:
        - {{id: bare, build: -t {names["bare"]} -f bare .}}
        - {{id: app, build: -t {names["app"]} -f app .}}
        - {{id: top, build: -t {names["top"]} -f top .}}
        - {{id: c, cmd: {names["top"]} /copy}}
        - push: [{names["top"]}]
        """,
        {
            "bare": f"FROM {foreign}\nCOPY --from={foreign} /probe /copy\n",
            "app": f"FROM {names['bare']}\n{RUNS}",
            "top": f"FROM {names['app']}\nLABEL a=b\n",
        },
        platform=ARM64,
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    there = places(done, "bare", "app", "top")
    assert there["bare"] == "here"
    assert "built on worker arm (unix://" in there["app"]
    assert "built on worker arm, which has its base" in there["top"]
    assert SAYS in done.printed("c")
    assert shelf.layers(names["top"])[:1] == shelf.layers(foreign)
    assert shelf.config(names["top"])["config"]["Labels"]["a"] == "b"


@pytest.mark.anyio
async def test_no_name_of_a_run_stays_on_a_worker(
    steps_machine: Machine, running: RealWorker, base: str
) -> None:
    done = await run(
        steps_machine,
        running.named("arm", "linux/arm64"),
        "steps: [{id: b, build: .}, {id: c, build: -f second .}]",
        {"Dockerfile": f"FROM {base}\n{RUNS}", "second": f'FROM {base}\nRUN ["/no such program"]\n'},
        platform=ARM64,
    )

    assert done.statuses["c"] == FAILED
    assert [name for name in running.names() if name.startswith("localhost/tracker-")] == []


@pytest.mark.anyio
async def test_a_worker_that_is_away_fails_the_step_by_its_name(steps_machine: Machine, base: str) -> None:
    gone = Worker("gone", "tcp://127.0.0.1:1", (ARM64,))

    done = await run(
        steps_machine,
        gone,
        "steps: [{id: b, build: .}]",
        {"Dockerfile": f"FROM {base}\n{RUNS}"},
        platform=ARM64,
    )

    assert done.outcome.status is Status.ERROR
    assert "worker gone (tcp://127.0.0.1:1) cannot be used" in done.error("b")


@pytest.mark.anyio
async def test_containers_of_windows_are_refused_though_a_worker_has_it(steps_machine: Machine) -> None:
    windows = Platform.parse("windows/amd64")
    worker = Worker("win", "tcp://127.0.0.1:1", (windows,))

    with pytest.raises(EngineError, match="workers only build: what cmd steps run stays on this machine"):
        await run(steps_machine, worker, "steps: [{id: c, cmd: box cmd /c dir}]", {}, platform=windows)


@pytest.mark.anyio
async def test_a_worker_is_asked_for_nothing_where_nothing_foreign_is_run(
    steps_machine: Machine, base: str
) -> None:
    async def never(worker: Worker) -> Engine:
        raise AssertionError(f"{worker} was asked")

    async with steps_machine.means() as plain:
        tools = replace(plain.tools, workers=Workers((Worker("arm", "tcp://127.0.0.1:1", (ARM64,)),), never))
        done = await steps_machine.run(
            """
            version: v1.1.0
            steps: [{id: n, build: .}, {id: f, build: -f plain ., platforms: [linux/arm64]}]
            """,
            {"Dockerfile": f"FROM {base}\n{RUNS}", "plain": f"FROM {base}\nCOPY plain /\n"},
            tools=tools,
        )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
