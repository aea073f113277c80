"""Steps in the containers of docker, whose daemon makes no firewall rules here, and so knows no names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from graph.reference import ImageRef, Platform
from graph.words import Role
from rebuild.runs.record import Status
from rebuild.steps.step_rules import StepRules
from rebuild.steps.task_run import remove_left
from tests.e2e.bases import Shelf, with_shell
from tests.real_registry import RealRegistry
from tests.rebuild.steps.machine import BOX, CANCELED, FAILED, SKIPPED, Machine, docker_machine


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, shared_registry: RealRegistry) -> Iterator[Machine]:
    with docker_machine(tmp_path_factory.mktemp("docker"), shared_registry) as made:
        yield made


@pytest.mark.anyio
async def test_steps_share_the_workspace_and_hand_outputs_on(docker: Machine) -> None:
    done = await docker.run(f"""
        steps:
        - id: first
          cmd: {BOX} sh -c 'echo one > file; echo "word=two words" > $TRACKER_OUTPUT'
          user: '1000'
        - id: second
          cmd: {BOX} sh -c 'cat file; echo $WORD'
          env: ["WORD=%{{steps.first.outputs.word}}"]
    """)

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert done.printed("second") == ["one", "two words"]
    assert docker.left() == []


@pytest.mark.anyio
async def test_the_first_failure_stops_what_runs(docker: Machine) -> None:
    done = await docker.run(f"""
        steps:
        - {{id: slow, when: ["-"], cmd: "{BOX} sh -c 'touch begun; sleep 600'"}}
        - {{id: bad, when: ["-"], cmd: "{BOX} sh -c 'until [ -e begun ]; do sleep 0.1; done; exit 7'"}}
        - {{id: after, cmd: "{BOX} touch after"}}
    """)

    assert done.statuses == {"slow": CANCELED, "bad": FAILED, "after": SKIPPED}
    assert docker.left() == []


@pytest.mark.anyio
async def test_a_detached_container_is_followed_to_its_end(docker: Machine) -> None:
    done = await docker.run(f"""
        steps:
        - {{id: brief, cmd: "{BOX} sh -c 'echo good bye; exit 9'", detach: true}}
        - {{id: other, cmd: "{BOX} sleep 2"}}
    """)

    assert "good bye" in done.printed("brief")
    assert "Detached container brief ended with exit status 9" in done.log("brief")


@pytest.mark.anyio
async def test_cancelling_the_call_leaves_nothing(docker: Machine) -> None:
    begun = asyncio.Event()
    text = f"steps: [{{id: slow, cmd: \"{BOX} sh -c 'echo begun; sleep 600'\"}}]"
    task = asyncio.create_task(
        docker.run(text, sink=lambda step, piece: begun.set() if b"begun" in piece else None)
    )
    await begun.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert docker.left() == []


@pytest.mark.anyio
async def test_an_image_is_built_on_one_that_is_not_pushed(docker: Machine) -> None:
    shelf = Shelf(docker.registry, docker.registry.host)
    base = shelf.put("docker/base:1", with_shell("base"))

    done = await docker.run(
        f"""
        steps:
        - build: -t {shelf.host}/docker/middle:1 -f middle.Dockerfile .
        - build: -t {shelf.host}/docker/top:1 -f top.Dockerfile .
        - push: [{shelf.host}/docker/top:1]
        - id: shown
          cmd: {shelf.host}/docker/top:1 /bin/sh -c 'read line < /middle; echo $line'
        """,
        {
            "middle.Dockerfile": f"FROM {base}\nCOPY word /middle\n",
            "word": "from the middle\n",
            "top.Dockerfile": f"FROM {shelf.host}/docker/middle:1\nCOPY word /top\n",
        },
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert done.printed("shown")[-1] == "from the middle"
    (top,) = (record for record in done.outcome.records if record.pushed)
    assert {str(below.reference): below.role for below in top.bases} == {base: Role.RUNTIME}


@pytest.mark.anyio
async def test_several_platforms_are_pushed_as_one_index(docker: Machine) -> None:
    shelf = Shelf(docker.registry, docker.registry.host)
    name = shelf.name("docker/many:1")
    amd64, arm64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")

    done = await docker.run(
        f"steps: [{{build: '-t {name} .', platforms: [linux/amd64, linux/arm64]}}]",
        {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    (record,) = done.outcome.records
    assert record.images == (ImageRef.parse(name),)
    assert record.manifests and set(record.manifests.platforms) == {amd64, arm64}
    assert record.manifests.digest == shelf.digest(name)


@pytest.mark.anyio
async def test_what_another_run_left_is_found_by_its_folder(docker: Machine) -> None:
    run_id, folder = docker.new_run()
    labels = (f"--label=io.tracker.run={run_id}", f"--label=io.tracker.folder={folder}")
    docker.call("run", "--detach", "--network=none", *labels, BOX, "sleep", "600")
    docker.call("network", "create", *labels, f"tracker-{run_id}-default")

    removed = await remove_left(docker.containers, docker.folder, frozenset())

    assert removed == (run_id,)
    assert docker.left() == []


@pytest.mark.anyio
async def test_a_helper_reads_what_the_container_of_a_step_prints(docker: Machine) -> None:
    done = await docker.run(
        f"""
        steps:
        - {{id: pipe, cmd: "{BOX} printf 'b\\na\\n' | sort > f && cat f"}}
        - {{id: head, cmd: "{BOX} yes | head -n 1"}}
        - {{id: well, cmd: "{BOX} sh -c 'exit 3' || echo $?"}}
        - {{id: bad, cmd: "{BOX} sh -c 'exit 3' | cat"}}
        """,
        rules=StepRules(helper=ImageRef.parse(BOX)),
    )

    assert [done.printed(step)[-1] for step in ("pipe", "head", "well")] == ["b", "y", "3"]
    assert done.error("bad") == "exit status 3"
    assert docker.left() == []
