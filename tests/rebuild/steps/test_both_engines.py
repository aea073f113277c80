"""What steps are promised, held by podman and by docker alike."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from graph.reference import ImageRef, Platform
from graph.words import Role
from rebuild.engines.container_choice import containers_for
from rebuild.engines.push_progress import PushSeen
from rebuild.runs.record import Status
from rebuild.steps.step_place import RunPlace
from rebuild.steps.step_rules import StepRules
from rebuild.steps.task_run import remove_left
from tests.e2e.bases import Shelf, with_shell
from tests.rebuild.steps.machine import BOX, CANCELED, FAILED, SKIPPED, SUCCEEDED, Machine


@pytest.fixture(params=["podman", "docker"])
def machine(request: pytest.FixtureRequest, steps_machine: Machine) -> Machine:
    """The docker daemon makes no firewall rules here, and so knows no names."""
    return steps_machine if request.param == "podman" else request.getfixturevalue("docker_steps_machine")


def test_steps_of_docker_reach_each_other_by_their_ids(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("net")  # short, for the sockets in it
    program = [sys.executable, "-m", "tests.rebuild.steps.names_on_docker", str(folder)]

    done = subprocess.run(["unshare", "--net", *program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.anyio
async def test_steps_share_the_workspace_and_hand_outputs_on(machine: Machine) -> None:
    done = await machine.run(f"""
        steps:
        - id: first
          cmd: {BOX} sh -c 'echo one > file; echo "word=two words" > $TRACKER_OUTPUT'
          user: '1000'
        - id: second
          cmd: {BOX} sh -c 'cat file; echo $WORD'
          env: ["WORD=%{{steps.first.outputs.word}}"]
    """)

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert done.printed("second")[-2:] == ["one", "two words"]
    assert machine.left() == []


@pytest.mark.anyio
async def test_the_first_failure_stops_what_runs_and_skips_the_rest(machine: Machine) -> None:
    done = await machine.run(f"""
        steps:
        - {{id: slow, when: ["-"], cmd: "{BOX} sh -c 'touch begun; sleep 600; touch slow'"}}
        - {{id: bad, when: ["-"], cmd: "{BOX} sh -c 'until [ -e begun ]; do sleep 0.1; done; exit 7'"}}
        - {{id: after, cmd: "{BOX} touch after"}}
        - {{id: repair, if: failure(), cmd: "{BOX} touch repaired"}}
        - {{id: last, finally: true, cmd: "{BOX} touch last"}}
    """)

    assert done.outcome.status is Status.FAILED
    assert done.outcome.error == "failed to run step ID: bad: exit status 7"
    assert done.statuses == {
        "slow": CANCELED, "bad": FAILED, "after": SKIPPED, "repair": SUCCEEDED, "last": SUCCEEDED,
    }  # fmt: skip
    assert "Step ID: slow was stopped" in done.log("slow")
    assert "Step ID: after was skipped" in done.log("after")
    assert (done.has("slow"), done.has("after"), done.has("repaired"), done.has("last")) == (
        False, False, True, True,
    )  # fmt: skip


@pytest.mark.anyio
async def test_a_detached_container_that_dies_is_told_with_its_end_code(machine: Machine) -> None:
    done = await machine.run(f"""
        steps:
        - {{id: brief, cmd: "{BOX} sh -c 'echo good bye; exit 9'", detach: true}}
        - {{id: other, cmd: "{BOX} sleep 2"}}
    """)

    assert done.statuses == {"brief": SUCCEEDED, "other": SUCCEEDED}
    assert "good bye" in done.printed("brief")
    assert "Detached container brief ended with exit status 9" in done.log("brief")


@pytest.mark.anyio
async def test_cancelling_the_call_ends_every_container_before_it_returns(machine: Machine) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(
        machine.run(
            f"""
            steps:
            - {{id: web, cmd: "{BOX} sleep 600", detach: true}}
            - {{id: slow, cmd: "{BOX} sh -c 'echo begun; sleep 600'"}}
            - {{id: last, finally: true, cmd: "{BOX} touch last"}}
            """,
            sink=lambda step, piece: begun.set() if b"begun" in piece else None,
        )
    )
    await begun.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert machine.left() == []


@pytest.mark.anyio
async def test_an_image_is_built_on_one_that_is_not_pushed(machine: Machine) -> None:
    shelf = Shelf(machine.registry, machine.registry.host)
    base = shelf.put("both/base:1", with_shell("base"))

    done = await machine.run(
        f"""
        steps:
        - build: -t {shelf.host}/both/middle:1 -f middle.Dockerfile .
        - build: -t {shelf.host}/both/top:1 -f top.Dockerfile .
        - push: [{shelf.host}/both/top:1]
        - id: shown
          cmd: {shelf.host}/both/top:1 /bin/sh -c 'read line < /middle; echo $line'
        """,
        {
            "middle.Dockerfile": f"FROM {base}\nCOPY word /middle\n",
            "word": "from the middle\n",
            "top.Dockerfile": f"FROM {shelf.host}/both/middle:1\nCOPY word /top\n",
        },
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert done.printed("shown")[-1] == "from the middle"
    (top,) = (record for record in done.outcome.records if record.pushed)
    assert {str(below.reference): below.role for below in top.bases} == {base: Role.RUNTIME}


@pytest.mark.anyio
async def test_several_platforms_are_pushed_as_one_index(machine: Machine) -> None:
    shelf = Shelf(machine.registry, machine.registry.host)
    name = shelf.name("both/many:1")
    amd64, arm64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")

    done = await machine.run(
        f"steps: [{{build: '-t {name} .', platforms: [linux/amd64, linux/arm64]}}]",
        {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    (record,) = done.outcome.records
    assert record.images == (ImageRef.parse(name),)
    assert record.manifests and set(record.manifests.platforms) == {amd64, arm64}
    assert record.manifests.digest == shelf.digest(name)


@pytest.mark.anyio
async def test_a_push_of_an_index_tells_how_far_it_is(machine: Machine) -> None:
    shelf = Shelf(machine.registry, machine.registry.host)
    name = shelf.name("both/told:1")
    seen: list[PushSeen | None] = []
    telling = containers_for(machine.engine.with_progress(seen.append), machine.around)

    done = await machine.run(
        f"steps: [{{id: b, build: '-t {name} .', platforms: [linux/amd64, linux/arm64]}}]",
        {"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /f\n", "amd64": "a", "arm64": "b"},
        containers=telling,
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert seen[-1] is None
    last = [one for one in seen if one is not None][-1]
    assert (str(last.to), last.layers, last.layers_done) == (name, 2, 2)


@pytest.mark.anyio
async def test_what_another_run_left_is_found_by_its_folder(machine: Machine) -> None:
    run_id, folder = machine.new_run()
    labels = (f"--label=io.tracker.run={run_id}", f"--label=io.tracker.folder={folder}")
    flags = ("--detach", "--network=none", *machine.containers.calls.run_flags, *labels)
    machine.call("run", *flags, BOX, "sleep", "600")
    machine.call("network", "create", *labels, f"tracker-{run_id}-default")

    name = f"{RunPlace(run_id, str(folder)).image_prefix}b:image"
    machine.call("tag", BOX, name)

    removed = await remove_left(machine.engine, machine.containers, machine.folder, frozenset())

    assert removed == (run_id,)
    assert name not in await machine.containers.image_names("localhost/tracker-*")
    assert await machine.engine.inspect(BOX)
    assert machine.left() == []


@pytest.mark.anyio
async def test_a_helper_reads_what_the_container_of_a_step_prints(machine: Machine) -> None:
    done = await machine.run(
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
    assert machine.left() == []
