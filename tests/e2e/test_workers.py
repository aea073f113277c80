"""Builds on other machines by the command and by the service: a real docker daemon, and one of Windows as far
as its HTTP API goes.
"""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebuild.engines.probe_program import SAYS, program
from tests.e2e.bases import LayeredImage, Shelf, layered_image
from tests.e2e.forge import SETTINGS, forge
from tests.e2e.yard import NO_POLL, QUICK, Yard
from tests.fake_windows_docker import FakeWindowsDocker, fake_windows_docker
from tests.real_service import RealService, processes_with
from tests.real_worker import RealWorker, real_worker
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic

ARM = "linux/arm64"
UNTRIGGERED = ("--commit-trigger-enabled", "false")
TRIED = (*UNTRIGGERED, "--pull-request-trigger-enabled", "true", "--trigger-forks", "true")
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorker]:
    with real_worker(tmp_path_factory.mktemp("worker")) as made:
        yield made


@pytest.fixture
def windows() -> Iterator[FakeWindowsDocker]:
    with fake_windows_docker() as made:
        yield made


def arm_image(text: str) -> LayeredImage:
    return layered_image(text, architecture="arm64", files={"probe": program("arm64") or b""})


def set_up(host: str, platform: str = ARM, name: str = "far", **more: str) -> dict[str, str]:
    """Settings of one worker."""
    own = {"HOST": host, "PLATFORMS": json.dumps([platform]), **more}
    return {**QUICK, **{f"TRACKER__WORKERS__{name.upper()}__{key}": value for key, value in own.items()}}


def test_a_foreign_build_goes_to_the_worker_and_without_one_to_emulation(
    shared_yard: Yard, running: RealWorker
) -> None:
    shelf = shared_yard.shelf
    base = shelf.put("far/base:1", arm_image("first"))
    project = shared_yard.project(f'FROM {base}\nRUN ["/probe"]\n')
    for settings, is_far in ((set_up(running.socket), True), (QUICK, False)):
        image = shelf.name(f"far/app:{int(is_far)}")
        with shared_yard.service(settings) as service:
            done = service.tracker("build", project, "-t", image, "--platform", ARM)
            told = service.read("deps", image)

        assert ("built on worker far (unix://" in done.stderr) is is_far
        assert SAYS in done.stderr
        assert shelf.config(image)["architecture"] == "arm64"
        assert shelf.layers(image)[:1] == shelf.layers(base)
        assert told["digest"] == str(shelf.digest(image))
        assert [one["reference"] for one in told["bases"]] == [base]


def test_the_service_rebuilds_on_the_worker_when_a_base_moves(shared_yard: Yard, running: RealWorker) -> None:
    shelf = shared_yard.shelf
    base = shelf.put("far/moving:1", arm_image("first"))
    project = shared_yard.project(f'FROM {base}\nRUN ["/probe"]\n')
    image = shelf.name("far/moved:1")
    with shared_yard.service(set_up(running.tls_host, TLS=str(running.tls_folder))) as service:
        service.tracker("build", project, "-t", image, "--platform", ARM, "--task", "moved")
        service.start()

        shelf.put("far/moving:1", arm_image("second"))
        service.until(lambda: len(service.runs("moved")) == 2 and service.is_idle(), "the rebuild")
        run = service.runs("moved")[-1]
        log = service.tracker("logs", run.run_id).stdout

        assert (run.cause, run.status) == ("base-image", "Succeeded")
        assert f"built on worker far ({running.tls_host})" in log
        assert shelf.layers(image)[:1] == shelf.layers(base)


def test_a_worker_that_is_away_ends_the_run_with_an_error_that_names_it(shared_yard: Yard) -> None:
    base = shared_yard.shelf.put("far/away:1", arm_image("first"))
    project = shared_yard.project(f'FROM {base}\nRUN ["/probe"]\n')
    with shared_yard.service(set_up("tcp://127.0.0.1:1")) as service:
        done = service.tracker("build", project, "--platform", ARM, "--json", expect=1)

    told = json.loads(done.stdout)
    assert told["status"] == "Error"
    assert "worker far (tcp://127.0.0.1:1) cannot be used" in told["error"]
    assert "docker --host tcp://127.0.0.1:1 version" in done.stderr


@pytest.mark.parametrize(
    ("end", "seconds", "status"), [(signal.SIGTERM, "613", "Canceled"), (signal.SIGKILL, "614", "Running")]
)
def test_what_is_built_there_ends_with_the_command(
    shared_yard: Yard, running: RealWorker, end: signal.Signals, seconds: str, status: str
) -> None:
    shell = {"bin/sh": Path("/bin/busybox").read_bytes()}
    base = shared_yard.shelf.put("far/slow:1", layered_image("slow", architecture="arm64", files=shell))
    project = shared_yard.project(f"FROM {base}\nRUN sleep {seconds}\n")
    with shared_yard.service(set_up(running.socket)) as service:
        building = service.launch("build", str(project), "--platform", ARM, log="build.log")
        service.until(lambda: is_sleeping(seconds), "the step to begin")

        building.send_signal(end)
        building.wait(60)
        service.until(lambda: not is_sleeping(seconds), "the step to end")

        assert [run.status for run in service.runs()] == [status]


def is_sleeping(mark: str) -> bool:
    return any("docker" not in line for line in processes_with(f"sleep {mark}"))


def private_base(folder: Path) -> Iterator[Shelf]:
    with registry_with_basic(folder) as registry:
        yield Shelf(registry, registry.host, headers={"authorization": f"Basic {LOGIN}"})


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Shelf]:
    """A registry behind a login."""
    yield from private_base(tmp_path / "private")


def log_in(service: RealService, shelf: Shelf) -> None:
    config = service.home / ".docker/config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"auths": {shelf.host: {"auth": LOGIN}}}))


def test_a_windows_build_is_sent_pinned_and_its_login_goes_in_headers_alone(
    shared_yard: Yard, windows: FakeWindowsDocker, private: Shelf
) -> None:
    base = private.put("win/nano:1", layered_image("nano", system="windows"))
    image = private.name("win/app:1")
    project = shared_yard.project(f"FROM {base}\nCOPY f /\nRUN dir\n", f="hello")
    with shared_yard.service(set_up(windows.host, "windows/amd64")) as service:
        log_in(service, private)
        done = service.tracker("build", project, "-t", image, "--platform", "windows/amd64")
        told = service.read("deps", image)

    (built,) = windows.requests("POST", "/build")
    assert (built.query["platform"], built.query["t"]) == ("windows/amd64", image)
    pinned = f"{base.rpartition(':')[0]}@{private.digest(base)}"
    assert built.dockerfile() == f"FROM {pinned}\nCOPY f /\nRUN dir\n"
    assert built.files()["f"] == "hello"
    assert built.told_json("x-registry-config")[private.host]["password"] == PASSWORD
    (pushed,) = windows.requests("POST", "/images/.*/push")
    assert pushed.told_json("x-registry-auth")["password"] == PASSWORD
    everything = b"".join(f"{one.path}{one.query}".encode() + one.body for one in windows.asked)
    assert PASSWORD.encode() not in everything
    assert LOGIN.encode() not in everything
    assert "docker 24.0.7 on windows/amd64" in done.stderr
    assert private.config(image)["os"] == "windows"
    assert private.layers(image)[:1] == private.layers(base)
    assert told["digest"] == str(private.digest(image))
    assert [one["reference"] for one in told["bases"]] == [base]


def test_a_windows_build_without_run_needs_no_worker_to_be_up(shared_yard: Yard) -> None:
    base = shared_yard.shelf.put("win/plain:1", layered_image("nano", system="windows"))
    image = shared_yard.shelf.name("win/copied:1")
    project = shared_yard.project(f"FROM {base}\nCOPY f /\n", f="hello")
    with shared_yard.service(set_up("tcp://127.0.0.1:1", "windows/amd64")) as service:
        service.tracker("build", project, "-t", image, "--platform", "windows/amd64")

    assert shared_yard.shelf.config(image)["os"] == "windows"


def test_what_windows_builds_refuse_is_told_before_anything_is_sent(
    shared_yard: Yard, windows: FakeWindowsDocker
) -> None:
    base = shared_yard.shelf.put("win/features:1", layered_image("nano", system="windows"))
    project = shared_yard.project(f"FROM {base}\nRUN --mount=type=cache,target=/c dir\n")
    with shared_yard.service(set_up(windows.host, "windows/amd64")) as service:
        done = service.tracker("build", project, "--platform", "windows/amd64", expect=1)

    assert "Dockerfile:2: RUN --mount is not understood by docker 24.0.7 of worker far" in done.stderr
    assert windows.requests("POST", "/build") == []


def test_a_windows_step_that_fails_is_told_with_what_the_daemon_says(
    shared_yard: Yard, windows: FakeWindowsDocker
) -> None:
    windows.fault = "The command 'cmd /S /C dir' returned a non-zero code: 1"
    base = shared_yard.shelf.put("win/failing:1", layered_image("nano", system="windows"))
    project = shared_yard.project(f"FROM {base}\nRUN dir\n")
    with shared_yard.service(set_up(windows.host, "windows/amd64")) as service:
        done = service.tracker("build", project, "--platform", "windows/amd64", "--json", expect=1)

    told = json.loads(done.stdout)
    assert told["status"] == "Failed"
    assert "returned a non-zero code: 1" in told["error"]


def test_a_plan_shows_which_worker_a_step_is_built_on(shared_yard: Yard) -> None:
    project = shared_yard.project("FROM scratch\nRUN dir\n", plain="FROM scratch\nCOPY plain /\n")
    steps = [
        {"id": "win", "build": "-t r.io/w:1 .", "platforms": ["windows/amd64", "linux/amd64"]},
        {"id": "plain", "build": "-t r.io/p:1 -f plain .", "platforms": ["windows/amd64"]},
        {"id": "p", "push": ["r.io/w:1", "r.io/p:1"]},
    ]
    (project / "acb.yaml").write_text(json.dumps({"version": "v1.1.0", "steps": steps}))
    there = ["docker", "--host", "tcp://127.0.0.1:1"]
    with shared_yard.service(set_up("tcp://127.0.0.1:1", "windows/amd64")) as service:
        planned = service.read("run", str(project), "-f", "acb.yaml", "--dry-run")["steps"]

    win, plain, push = planned
    assert win["argv"][:5] == [*there, "build", "--platform=windows/amd64"]
    assert win["also"][0][:3] == ["podman", "build", "--platform=linux/amd64"]
    assert plain["argv"][:2] == ["podman", "build"]
    assert push["argv"] == [*there, "push", "r.io/w:1-windows-amd64"]
    assert ["podman", "manifest", "add", "r.io/w:1", "docker://r.io/w:1-windows-amd64"] in push["also"]
    assert push["also"][-1] == ["podman", "push", "r.io/p:1", "docker://r.io/p:1"]


def test_doctor_asks_each_worker_and_holds_it_against_the_settings(
    shared_yard: Yard, running: RealWorker, windows: FakeWindowsDocker
) -> None:
    settings = {
        **set_up(running.socket, name="arm"),
        **set_up(windows.host, "windows/amd64", name="win"),
        **set_up(windows.host, ARM, name="wrong"),
        **set_up("tcp://127.0.0.1:1", name="gone"),
    }
    with shared_yard.service(settings) as service:
        told = json.loads(service.tracker("doctor", "--json", expect=1).stdout)

    found = {
        (one["subject"], one["mark"]): one["text"] for one in told if one["subject"].startswith("worker ")
    }
    assert f"at {running.socket} on linux/amd64" in found["worker arm", "ok"]
    assert "linux/arm64 can run there by emulation alone" in found["worker arm", "note"]
    assert "docker 24.0.7" in found["worker win", "ok"]
    assert "and its docker runs windows/amd64" in found["worker wrong", "fault"]
    assert "cannot be used" in found["worker gone", "fault"]
    assert len(found) == 5


def test_a_workers_client_gets_the_logins_of_the_task(
    shared_yard: Yard, windows: FakeWindowsDocker, private: Shelf
) -> None:
    base = private.put("win/nano:1", layered_image("nano", system="windows"))
    image = private.name("win/task:1")
    project = str(shared_yard.project(f"FROM {base}\nRUN dir\n"))
    with shared_yard.service(set_up(windows.host, "windows/amd64")) as service:
        options = ("-c", project, "-f", "Dockerfile", "-t", image, "--platform", "windows/amd64")
        # It is scanned when it is made, which nobody has a login for yet.
        service.tracker("task", "create", "-n", "win", *options, *UNTRIGGERED)
        word = ("-u", USER, "-p", "env:WORD")
        service.tracker("task", "credential", "add", "-n", "win", "--login-server", private.host, *word)
        service.tracker("task", "run", "-n", "win", WORD=PASSWORD)

    (pushed,) = windows.requests("POST", "/images/.*/push")
    assert pushed.told_json("x-registry-auth")["username"] == USER
    assert private.config(image)["os"] == "windows"


@pytest.mark.parametrize(("head_id", "status"), [(1, "Succeeded"), (2, "Error")])
def test_a_pull_request_is_tried_out_on_the_worker_unless_it_is_a_forks_that_nothing_holds(
    shared_yard: Yard, running: RealWorker, tmp_path: Path, head_id: int, status: str
) -> None:
    base = shared_yard.shelf.put("far/tried:1", arm_image("first"))
    image = shared_yard.shelf.name(f"far/proposed:{head_id}")
    files = {"Dockerfile": f'FROM {base}\nRUN ["/probe"]\n'}
    settings = {**NO_POLL, **SETTINGS, **set_up(running.socket), **NO_POLL}
    with forge(tmp_path, **files) as made, shared_yard.service(settings) as service:
        options = ("-c", made.url, "-f", "Dockerfile", "-t", image, "--platform", ARM)
        service.tracker("task", "create", "-n", "app", *options, *TRIED)
        service.start()
        made.tell(service, head_id=head_id)

        made.commit("proposed", f="2")
        made.push("refs/pull/7/head")
        service.until(lambda: service.runs("app") and service.is_idle(), "the proposal to be tried out")
        (run,) = service.runs("app")
        log = service.tracker("logs", run.run_id).stdout

    assert run.status == status, log
    assert ("built on worker far" in log) is (head_id == 1)
    assert ("on the network of its machine alone" in log) is (head_id == 2)
    assert shared_yard.shelf.digest(image) is None
