"""Task files, from the command line to the registry and the graph, in this process and in the service."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.bases import with_shell
from tests.e2e.scenes import Scene, scene
from tests.e2e.test_remote import token
from tests.e2e.yard import Yard, assert_recorded_is_used
from tests.real_service import RealService, processes_with
from tests.rebuild.context.repositories import Repository

TASK = """\
version: v1.1.0
steps:
  - id: image
    build: -t IMAGE .
  - id: test
    cmd: IMAGE /bin/sh -c '{{.Values.test}}'
  - push: [IMAGE]
"""


_numbers = itertools.count()


@pytest.fixture
def made(shared_yard: Yard) -> Scene:
    made = scene(shared_yard, f"taskfile{next(_numbers)}", app="FROM BASE\nCOPY f /f\n")
    made.shelf.put(made.base, with_shell("first"))
    (made.projects["app"] / "acb.yaml").write_text(TASK.replace("IMAGE", made.image("app")))
    return made


def test_a_task_file_builds_tests_pushes_and_records(shared_yard: Yard, made: Scene) -> None:
    with shared_yard.service() as service:
        outcome = service.read("run", str(made.projects["app"]), "--set", "test=cat /f")

        assert outcome["status"] == "Succeeded"
        assert outcome["outputs"][0]["digest"] == str(made.shelf.digest(made.image("app")))
        assert_recorded_is_used(service, made.shelf, made.image("app"))
        assert f"test| {made.prefix} app" in service.tracker("logs", outcome["run_id"]).stdout


def test_what_the_service_runs_gives_way_to_it_and_what_a_command_runs_does_not(
    shared_yard: Yard, made: Scene
) -> None:
    with shared_yard.service({"TRACKER__REBUILD__NICE": "7"}) as service:
        run = ("run", str(made.projects["app"]), "--set", "test=cat /proc/self/stat")
        here = service.read(*run)
        service.start()
        there = service.read(*run)

        assert niceness(service, there["run_id"]) - niceness(service, here["run_id"]) == 7


def niceness(service: RealService, run_id: str) -> int:
    """Of the `cat` that printed what proc(5) says of it."""
    (stat,) = re.findall(r"^test\| (\d+ \(cat\) .*)$", service.tracker("logs", run_id).stdout, re.MULTILINE)
    return int(stat.split()[18])


def test_an_index_is_told_with_the_digest_of_each_platform(shared_yard: Yard, made: Scene) -> None:
    name = made.image("many")
    (made.projects["app"] / "Dockerfile").write_text("FROM scratch\nCOPY f /f\n")
    (made.projects["app"] / "acb.yaml").write_text(
        f"steps: [{{build: '-t {name} .', platforms: [linux/amd64, linux/arm64]}}]"
    )
    with shared_yard.service() as service:
        (output,) = service.read("run", str(made.projects["app"]))["outputs"]
        shown = service.tracker("task", "show-run", "--run-id", service.runs()[0].run_id).stdout

    parts = made.shelf.manifest(name)["manifests"]
    assert output == {
        "reference": name,
        "registry": made.shelf.host,
        "repository": name.removeprefix(f"{made.shelf.host}/").partition(":")[0],
        "tag": name.rpartition(":")[2],
        "digest": str(made.shelf.digest(name)),
        "platforms": {f"linux/{part['platform']['architecture']}": part["digest"] for part in parts},
    }
    assert all(part["digest"] in shown for part in parts)


def test_each_step_is_told_with_its_end_here_and_by_the_service(shared_yard: Yard, made: Scene) -> None:
    with shared_yard.service() as service:
        service.tracker("run", made.projects["app"], "--set", "test=exit 7", expect=1)
        run_id = service.runs()[0].run_id
        here = service.read("task", "show-run", "--run-id", run_id)["steps"]
        words = service.tracker("task", "show-run", "--run-id", run_id).stdout.split()
        reader = token(service.start(), "read")
        shown = service.tracker("task", "show-run", "--run-id", run_id, "--json", **reader).stdout
        asked = urllib.request.Request(
            f"{service.url}/api/v1/runs/{run_id}",
            headers={"Authorization": f"Bearer {reader['TRACKER_TOKEN']}"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            by_api = json.load(answer)["steps"]

    assert [(step["id"], step["status"], step["exit_code"], step["tries"]) for step in here] == [
        ("image", "succeeded", 0, 1), ("test", "failed", 7, 1), ("acb_step_2", "skipped", None, 0),
    ]  # fmt: skip
    assert here[1]["started_at"] < here[1]["finished_at"]
    assert json.loads(shown)["steps"] == by_api == here
    assert words[words.index("test") :][:5] == ["test", "cmd", "failed", "exit", "7"]


def test_a_test_that_fails_keeps_the_image_from_being_pushed(shared_yard: Yard, made: Scene) -> None:
    with shared_yard.service() as service:
        service.tracker("run", made.projects["app"], "--set", "test=exit 7", expect=1)

    assert made.shelf.digest(made.image("app")) is None


def test_a_mistake_in_a_task_file_makes_no_run_unless_only_the_run_can_read_it(
    shared_yard: Yard, tmp_path: Path
) -> None:
    fetched = Repository.made(tmp_path / "git", {"acb.yaml": "steps: ["})
    with shared_yard.service() as service:
        before = service.tracker("run", fetched.folder, expect=2)
        after = service.tracker("run", f"{fetched.url}#trunk", expect=1)

        assert [run.status for run in service.runs()] == ["Failed"], after.stderr
    for told in (before, after):
        assert "acb.yaml:1: not valid YAML" in told.stderr


def test_the_folder_of_the_user_stays_as_it_was(shared_yard: Yard, made: Scene) -> None:
    before = sorted(path.name for path in made.projects["app"].iterdir())

    with shared_yard.service() as service:
        service.tracker("run", made.projects["app"], "--set", "test=echo x >/workspace/new")

    assert sorted(path.name for path in made.projects["app"].iterdir()) == before


def test_containers_of_a_killed_service_end_and_the_run_is_done_again(shared_yard: Yard, made: Scene) -> None:
    file = made.projects["app"] / "acb.yaml"
    file.write_text(file.read_text().replace("{{.Values.test}}", "sleep 86377"))
    with shared_yard.service() as service:
        service.start()
        client = service.launch("run", str(made.projects["app"]), log="client")
        service.until(lambda: processes_with("sleep 86377"), "the step to run")

        service.kill()
        service.start()
        service.until(lambda: [run.attempt for run in service.runs()][-1] == 2, "the run to be done again")
        service.until(lambda: processes_with("sleep 86377"), "the step to run again")
        service.tracker("task", "cancel-run", "--run-id", service.read("runs")[0]["run_id"])
        service.until(lambda: not processes_with("sleep 86377"), "the container to end with the run")
        client.wait(timeout=60)


WAITING = """\
version: v1.1.0
steps:
  - id: image
    build: -t localhost/tool:2 .
  - id: server
    cmd: localhost/tool:2 /bin/sh -c 'sleep 86376'
    detach: true
  - id: waits
    cmd: localhost/tool:2 /bin/sh -c 'echo waiting; sleep 86376'
"""


def test_what_a_killed_command_left_ends_with_the_next_one(shared_yard: Yard, made: Scene) -> None:
    with shared_yard.service() as service:
        command = waiting_command(service, made)

        command.kill()
        command.wait()
        assert len(processes_with("sleep 86376")) > 0
        service.tracker("run", "/dev/null", "--cmd", "localhost/tool:2 /bin/sh -c 'echo next'")

        assert processes_with("sleep 86376") == []
        assert list((service.state / "scratch").iterdir()) == []
        assert networks_of(service) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_takes_its_containers_along(
    shared_yard: Yard, made: Scene, number: signal.Signals
) -> None:
    with shared_yard.service() as service:
        command = waiting_command(service, made)

        command.send_signal(number)

        assert command.wait(timeout=60) == 128 + number
        assert processes_with("sleep 86376") == []
        assert networks_of(service) == []
        assert [run.status for run in service.runs()] == ["Canceled"]


def waiting_command(service: RealService, made: Scene) -> subprocess.Popen[bytes]:
    """`tracker run` where no service is, at a step that waits."""
    (made.projects["app"] / "acb.yaml").write_text(WAITING)
    command = service.launch("run", str(made.projects["app"]), log="command.log")
    service.until(lambda: len(processes_with("sleep 86376")) > 1, "the steps to run")
    return command


def networks_of(service: RealService) -> list[str]:
    """The engine keeps them for all storages of the machine."""
    listed = subprocess.run(
        ["podman", "network", "ls", "--format={{.Name}} {{.Labels}}"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [line for line in listed.stdout.splitlines() if f"{service.state.resolve()}/" in line]


LAST_STEPS = """\
version: v1.1.0
steps:
  - id: image
    build: -t localhost/tool:1 .
  - id: waits
    cmd: localhost/tool:1 /bin/sh -c 'trap "" TERM; sleep 86378 & sleep 86378 & wait'
  - id: last
    finally: true
    cmd: localhost/tool:1 /bin/sh -c 'echo cleared up'
"""


@pytest.mark.parametrize("where", ["service", "command"])
def test_a_canceled_run_still_has_its_last_steps_and_leaves_no_process(
    shared_yard: Yard, made: Scene, where: str
) -> None:
    (made.projects["app"] / "acb.yaml").write_text(LAST_STEPS)
    with shared_yard.service() as service:
        if where == "service":
            service.start()
        client = service.launch("run", str(made.projects["app"]), log="client")
        service.until(lambda: processes_with("sleep 86378"), "the step to run")
        (run,) = service.runs()

        service.tracker("task", "cancel-run", "--run-id", run.run_id)

        assert client.wait(timeout=60) == 1
        assert [run.status for run in service.runs()] == ["Canceled"]
        assert processes_with("sleep 86378") == []
        log = service.tracker("logs", run.run_id).stdout
        assert "last| cleared up\n" in log
        assert f"Run ID: {run.run_id} was canceled" in log
