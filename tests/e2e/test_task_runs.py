"""Whole task files on a real registry and a real engine: built, run, tested, pushed, recorded; and killed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.model import BuildRecord
from graph.reference import ImageRef, Platform
from graph.words import Role, Via
from rebuild.runs.record import Status
from rebuild.steps.task_run import remove_left
from tests.e2e.bases import Shelf, with_shell
from tests.real_registry import RealRegistry
from tests.rebuild.steps.machine import BOX, FAILED, SKIPPED, Done, Machine, machine

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def task_machine(
    tmp_path_factory: pytest.TempPathFactory, shared_registry: RealRegistry
) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("tasks"), shared_registry) as made:
        yield made


@pytest.fixture
def shelf(task_machine: Machine) -> Shelf:
    return Shelf(task_machine.registry, task_machine.registry.host)


def bases_of(record: BuildRecord) -> dict[str, str]:
    return {str(base.reference): str(base.role) for base in record.bases}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} has not come"
        time.sleep(0.05)


def record_of(done: Done, image: str) -> BuildRecord:
    (record,) = (record for record in done.outcome.records if ImageRef.parse(image) in record.images)
    return record


SCENARIO = """
    env: [RELEASE=7]
    steps:
    - id: web
      build: -t HOST/shop/web:1 -f web.Dockerfile .
    - id: server
      cmd: HOST/shop/web:1
      detach: true
    - id: tests
      build: -t HOST/shop/tests:1 -f tests.Dockerfile .
      when: [web]
    - id: verified
      cmd: HOST/shop/tests:1
      when: [server, tests]
      retries: 5
      retryDelay: 1
    - id: pushed
      push: [HOST/shop/web:1]
    - id: package
      cmd: BOX sh -c 'tar -czf web.tgz page && echo $RELEASE > release'
"""
FILES = {
    "page": "hello\n",
    "web.Dockerfile": (
        'FROM HOST/shop/base:1\nCOPY page /www/index.html\nCMD ["httpd", "-f", "-p", "80", "-h", "/www"]\n'
    ),
    "tests.Dockerfile": (
        'FROM HOST/shop/base:1\nCMD ["sh", "-c", "wget -q -O - http://server | grep -x WANTED"]\n'
    ),
}


def scenario(machine: Machine, *, wanted: str) -> tuple[str, dict[str, str]]:
    """The task file and its context; the tests look for `wanted` on the page."""
    host = machine.registry.host
    text = SCENARIO.replace("HOST", host).replace("BOX", BOX)
    files = {name: text.replace("HOST", host).replace("WANTED", wanted) for name, text in FILES.items()}
    return text, files


def push_box(machine: Machine, name: str) -> None:
    machine.call("push", "--tls-verify=false", BOX, f"docker://{machine.registry.host}/{name}")


@pytest.mark.anyio
async def test_an_application_is_built_run_tested_pushed_and_released(
    task_machine: Machine, shelf: Shelf
) -> None:
    push_box(task_machine, "shop/base:1")
    text, files = scenario(task_machine, wanted="hello")

    done = await task_machine.run(text, files)

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert done.file("release") == "7\n"
    assert done.has("web.tgz")
    web = record_of(done, shelf.name("shop/web:1"))
    assert (
        web.pushed
        and web.manifests
        and str(web.manifests.digest) == str(shelf.digest(shelf.name("shop/web:1")))
    )
    assert bases_of(web) == {shelf.name("shop/base:1"): Role.RUNTIME}
    assert task_machine.left() == []


@pytest.mark.anyio
async def test_an_application_whose_tests_fail_is_not_pushed(task_machine: Machine, shelf: Shelf) -> None:
    push_box(task_machine, "shop/base:1")
    text, files = scenario(task_machine, wanted="good-bye")
    other = text.replace("/shop/web:1", "/shop/broken:1").replace("retries: 5", "retries: 0")

    done = await task_machine.run(other, files)

    assert done.outcome.status is Status.FAILED
    assert done.statuses["verified"] == FAILED
    assert (done.statuses["pushed"], done.statuses["package"]) == (SKIPPED, SKIPPED)
    assert shelf.digest(shelf.name("shop/broken:1")) is None
    assert done.outcome.records == ()
    assert not done.has("release")


@pytest.mark.anyio
async def test_images_that_only_containers_ran_are_recorded_with_what_was_built_after_them(
    task_machine: Machine, shelf: Shelf
) -> None:
    base = shelf.push("ran/base:1", "base")
    push_box(task_machine, "ran/compiler:1")
    push_box(task_machine, "ran/notifier:1")

    done = await task_machine.run(
        f"""
        steps:
        - id: compile
          cmd: {shelf.host}/ran/compiler:1 sh -c 'echo compiled > program'
        - id: image
          build: -t {shelf.host}/ran/app:1 .
        - push: ["{shelf.host}/ran/app:1"]
        - cmd: {shelf.host}/ran/notifier:1 true
        """,
        {"Dockerfile": f"FROM {base}\nCOPY program /program\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    record = record_of(done, shelf.name("ran/app:1"))
    assert bases_of(record) == {base: Role.RUNTIME, shelf.name("ran/compiler:1"): Role.BUILDTIME}
    assert [base.via for base in record.bases] == [Via.FROM, Via.CMD]
    assert (record.step, record.bases[1].stage) == ("image", "compile")
    assert {str(base.reference) for base in done.outcome.used} == {
        shelf.name("ran/compiler:1"), shelf.name("ran/notifier:1"),
    }  # fmt: skip


@pytest.mark.anyio
async def test_a_container_runs_the_release_that_its_name_has_now(
    task_machine: Machine, shelf: Shelf
) -> None:
    step = f"""
        steps:
        - id: shown
          cmd: {shelf.host}/fresh/tool:1 /bin/sh -c 'read line < /base.txt; echo $line'
    """
    shelf.put("fresh/tool:1", with_shell("first\n"))
    await task_machine.run(step)
    shelf.put("fresh/tool:1", with_shell("second\n"))

    done = await task_machine.run(step)

    assert done.printed("shown")[-1] == "second"
    (used,) = done.outcome.used
    assert str(used.manifests.digest) == str(shelf.digest(shelf.name("fresh/tool:1")))


@pytest.mark.anyio
async def test_several_platforms_are_pushed_as_one_index_with_all_of_them_recorded(
    task_machine: Machine, shelf: Shelf
) -> None:
    name = shelf.name("many/app:1")

    done = await task_machine.run(
        f"""
        steps:
        - build: -t {name} .
          platforms: [linux/amd64, linux/arm64]
        - push: ["{name}"]
        """,
        {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    record = record_of(done, name)
    platforms = {Platform.parse("linux/amd64"), Platform.parse("linux/arm64")}
    assert record.manifests and set(record.manifests.platforms) == platforms == set(record.platforms)
    assert str(record.manifests.digest) == str(shelf.digest(name))


@pytest.mark.anyio
async def test_an_unchanged_index_is_not_pushed_again(task_machine: Machine, shelf: Shelf) -> None:
    name = shelf.name("still/app:1")
    text = f"steps: [{{build: '-t {name} .', platforms: [linux/amd64, linux/arm64]}}]"
    files = {"Dockerfile": "FROM scratch\nLABEL a=b\n"}
    first = await task_machine.run(text, files)

    second = await task_machine.run(text, files)

    assert [record_of(done, name).pushed for done in (first, second)] == [True, False]
    assert record_of(first, name).manifests == record_of(second, name).manifests


@pytest.mark.anyio
async def test_pushing_what_no_step_has_built_fails_and_pushes_nothing(
    task_machine: Machine, shelf: Shelf
) -> None:
    done = await task_machine.run(
        f"""
        steps:
        - build: -t {shelf.host}/half/a:1 .
        - push: ["{shelf.host}/half/a:1", "{shelf.host}/half/b:1"]
        """,
        {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.FAILED
    assert "half/b:1, which no step of this run has built" in str(done.outcome.error)
    assert shelf.digest(shelf.name("half/a:1")) is None


@pytest.mark.anyio
async def test_a_build_with_a_context_of_its_own_has_it_fetched(task_machine: Machine, shelf: Shelf) -> None:
    fetched: list[str] = []

    async def fetch(source: str, into: Path) -> Path:
        fetched.append(source)
        (into / "sub").mkdir(parents=True)
        (into / "sub" / "own.Dockerfile").write_text("FROM scratch\nCOPY own.Dockerfile /\n")
        return into / "sub"

    done = await task_machine.run(
        "steps: [{build: -t x -f own.Dockerfile https://example.com/app.git#main:sub}]",
        fetch=fetch,
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert fetched == ["https://example.com/app.git#main:sub"]


@pytest.mark.anyio
async def test_a_push_that_no_registry_takes_is_tried_three_times_and_is_not_the_files_fault(
    task_machine: Machine,
) -> None:
    done = await task_machine.run(
        "steps: [{build: -t localhost:1/away:1 .}, {id: pushed, push: ['localhost:1/away:1']}]",
        {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.ERROR
    assert [line for line in done.log("pushed").splitlines() if "Pushing image" in line][-1].endswith(
        "attempt 3"
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    "build",
    ["-f link -t x .", "-t x linked", "--secret id=s,src=link -t x -f good ."],
)
async def test_a_link_out_of_the_workspace_is_not_followed(task_machine: Machine, build: str) -> None:
    done = await task_machine.run(
        f"""
        steps:
        - cmd: {BOX} sh -c 'ln -s /etc/hostname link; ln -s /etc linked'
        - id: built
          build: {build}
        """,
        {"good": "FROM scratch\nCOPY good /\n"},
    )

    assert done.statuses["built"] == FAILED
    assert "leads out of the workspace" in done.error("built")


@pytest.mark.anyio
async def test_a_build_beside_a_container_reads_a_copy_that_the_container_cannot_reach(
    task_machine: Machine, shelf: Shelf
) -> None:
    name = shelf.name("beside/app:1")

    done = await task_machine.run(
        f"""
        steps:
        - id: swapping
          cmd: {BOX} sh -c 'mv inside away && ln -s /etc inside; sleep 600'
          detach: true
        - id: built
          build: -t {name} -f away/Dockerfile away
          retries: 5
          retryDelay: 1
        - id: refused
          build: -t x inside
          ignoreErrors: true
        - push: ["{name}"]
        """,
        {"inside/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert "leads out of the workspace" in done.error("refused")
    assert (done.folder / "snapshots/built/workspace/away/Dockerfile").is_file()
    assert (done.folder / "snapshots/refused/workspace/inside").is_symlink()


@pytest.mark.anyio
async def test_what_a_killed_process_left_is_found_and_removed(task_machine: Machine) -> None:
    run_id, folder = task_machine.new_run()
    text = f"""
        steps:
        - {{id: web, cmd: "{BOX} sleep 600", detach: true}}
        - {{id: slow, cmd: "{BOX} sh -c 'touch begun; sleep 600'"}}
    """
    process = await asyncio.create_subprocess_exec(*task_machine.program(run_id, folder, text), cwd=ROOT)
    await asyncio.to_thread(wait_for, folder / "workspace" / "begun")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    kept = await remove_left(
        task_machine.engine, task_machine.containers, task_machine.folder, frozenset({run_id})
    )
    left = task_machine.left()

    removed = await remove_left(
        task_machine.engine, task_machine.containers, task_machine.folder, frozenset()
    )

    assert kept == ()
    assert left == [folder.name] * 3  # two containers and their network
    assert removed == (run_id,)
    assert task_machine.left() == []


@pytest.mark.anyio
async def test_what_is_asked_of_docker_is_built_pulled_and_pushed(
    task_machine: Machine, shelf: Shelf
) -> None:
    base = shelf.put("asked/base:1", with_shell("asked"))
    name = shelf.name("asked/app:1")

    done = await task_machine.run(
        f"""
        steps:
        - {{cmd: docker pull {base}, retries: 2}}
        - cmd: docker build -t {name} .
        - cmd: docker:cli push {name}
        """,
        {"Dockerfile": f"FROM {base}\nCOPY Dockerfile /\n"},
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert bases_of(record_of(done, name)) == {base: str(Role.RUNTIME)}
    assert record_of(done, name).pushed
    assert shelf.digest("asked/app:1") is not None


@pytest.mark.anyio
async def test_a_pull_of_what_is_not_there_fails_the_step(task_machine: Machine, shelf: Shelf) -> None:
    done = await task_machine.run(f"steps: [{{id: p, cmd: 'docker pull {shelf.host}/asked/nothing:1'}}]")

    assert done.statuses == {"p": FAILED}
    assert "asked/nothing:1" in done.error("p")
