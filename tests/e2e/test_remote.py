"""A service used from elsewhere: cut connections, killed clients, a killed service, large contexts."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.bases import with_shell
from tests.e2e.scenes import Scene, scene
from tests.e2e.yard import NO_POLL, Yard
from tests.real_service import DEADLINE_S, RealService

MIB = 1024 * 1024


@pytest.fixture
def service(shared_yard: Yard) -> Iterator[RealService]:
    with shared_yard.service(NO_POLL) as service:
        yield service.start()


def token(service: RealService, *scopes: str) -> dict[str, str]:
    """Variables for a client that has only the URL and a token."""
    options = [f"--scope={scope}" for scope in scopes]
    text = service.tracker("token", "create", f"client-{len(service.launched)}", *options).stdout.strip()
    return {
        "TRACKER_TOKEN": text,
        "TRACKER_SERVER": service.url,
        "TRACKER_STATE": str(service.folder / "nothing-here"),
    }


def shop(yard: Yard, prefix: str, dockerfile: str = "FROM BASE\nCOPY f /f\n") -> Scene:
    made = scene(yard, prefix, app=dockerfile)
    made.push_base("first")
    return made


@dataclass
class Cutter:
    """A proxy that passes bytes on, and cuts every connection when it is told to."""

    target: int
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    ends: list[socket.socket] = field(default_factory=list)
    taken: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                client, _ = self.listening.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self.ends += [client, server]
                for source, sink in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pass_on, args=(source, sink), daemon=True)
                    self.threads.append(thread)
                    thread.start()
                self.pairs.append((client, server))
                self.taken += 1

    def cut(self) -> None:
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def cutter(target: int) -> Iterator[Cutter]:
    made = Cutter(target)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.listening.shutdown(socket.SHUT_RDWR)
        made.listening.close()
        made.cut()
        for each in (thread, *made.threads):
            each.join()
        for end in made.ends:
            end.close()


def stored_log(service: RealService, run_id: str) -> bytes:
    return (service.state / "logs" / f"{run_id}.log").read_bytes()


def test_a_build_leaves_the_client_and_comes_back_with_its_outcome(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "remote")
    here = token(service)

    built = service.tracker("build", made.projects["app"], "-t", made.image("app"), "--json", **here)

    told = json.loads(built.stdout)
    assert (told["status"], told["pushed"]) == ("Succeeded", True)
    assert told["digest"] == str(made.shelf.digest(made.image("app")))
    assert [base["digest"] for base in told["bases"]] == [str(made.shelf.digest(made.base_name))]
    assert "Packing source code into tar to upload..." in built.stderr
    assert f"Queued a build with ID: {told['run_id']}" in built.stderr
    assert stored_log(service, told["run_id"]).decode() in built.stderr
    assert not (service.folder / "nothing-here").exists()


def test_a_build_that_fails_there_fails_here(shared_yard: Yard, service: RealService) -> None:
    made = shop(shared_yard, "remote-fails", "FROM BASE\nCOPY nothing /nothing\n")

    built = service.tracker(
        "build", made.projects["app"], "-t", made.image("app"), expect=1, **token(service)
    )

    assert "Run ID: a1 failed" in built.stderr
    assert made.shelf.digest(made.image("app")) is None


def test_a_user_of_this_machine_has_the_service_build_the_folder_where_it_lies(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "local")

    built = service.tracker("build", made.projects["app"], "-t", made.image("app"))

    assert "Packing" not in built.stderr
    assert built.stdout.strip() == f"{made.image('app')}@{made.shelf.digest(made.image('app'))}"
    assert list((service.state / "uploads").iterdir()) == []


def test_a_dockerfile_outside_of_the_context_and_hidden_by_it_is_built(
    shared_yard: Yard, service: RealService, tmp_path: Path
) -> None:
    made = shop(shared_yard, "outside")
    (tmp_path / "Other").write_text(f"FROM {made.base_name}\nCOPY f /other\n")
    (made.projects["app"] / ".dockerignore").write_text("Dockerfile\n")
    command = ("build", made.projects["app"], "-f", tmp_path / "Other", "-t", made.image("app"))

    service.tracker(*command, **token(service))

    assert made.shelf.digest(made.image("app")) is not None


@pytest.mark.parametrize("name", [None, "mistyped.Dockerfile"])
def test_nothing_is_packed_for_a_dockerfile_that_is_not_there(
    shared_yard: Yard, service: RealService, tmp_path: Path, name: str | None
) -> None:
    dockerfile = tmp_path / (name or "Dockerfile")
    options = ["-f", dockerfile] if name else []

    told = service.tracker("build", tmp_path, "--image=x", *options, expect=2, **token(service)).stderr

    hint = "hint: name the Dockerfile with --file\n"
    assert told == f"error: there is no Dockerfile at {dockerfile}\n{hint}"


def test_a_connection_that_is_cut_again_and_again_loses_no_byte_of_the_log(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "cut")
    here = token(service)
    service.hook("before-push")
    with cutter(service.port) as between:
        here["TRACKER_SERVER"] = between.url
        command = ("build", str(made.projects["app"]), "-t", made.image("app"))
        client = service.launch(*command, log="client.log", **here)
        service.wait_until_held()
        for _ in range(3):
            taken = between.taken
            between.cut()
            service.until(lambda seen=taken: between.taken > seen, "the client to come back")  # type: ignore[misc]
        service.unhook("before-push")

        assert client.wait(60) == 0

    said = (service.folder / "client.log").read_bytes()
    lost = [line for line in said.splitlines(keepends=True) if line.startswith(b"the connection is lost")]
    for line in lost:
        said = said.replace(b"\n" + line, b"")
    assert lost
    assert stored_log(service, "a1") in said


def test_a_client_that_is_killed_leaves_its_run_to_the_service(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "killed-client")
    service.hook("before-push")
    command = ("build", str(made.projects["app"]), "-t", made.image("app"))
    client = service.launch(*command, log="client.log", **token(service))
    service.wait_until_held()

    client.kill()
    client.wait()
    service.unhook("before-push")
    service.until(service.is_idle, "the run to end")

    assert [(run.status, run.attempt) for run in service.runs()] == [("Succeeded", 1)]
    assert made.shelf.digest(made.image("app")) is not None


def test_a_service_that_is_killed_does_the_run_again_and_the_client_sees_both_attempts(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "killed-service")
    service.hook("before-push")
    command = ("build", str(made.projects["app"]), "-t", made.image("app"))
    client = service.launch(*command, log="client.log", **token(service))
    service.wait_until_held()

    service.kill()
    service.unhook("before-push")
    service.start()

    assert client.wait(120) == 0
    said = (service.folder / "client.log").read_text()
    assert [(run.status, run.attempt) for run in service.runs()] == [("Succeeded", 2)]
    assert said.count("attempt 1, cause quick") == 1
    assert said.count("attempt 2, cause quick") == 1
    assert "the connection is lost" in said


def test_a_large_context_goes_through_and_the_service_does_not_grow(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "large", "FROM BASE\nCOPY f /f\n")
    for number in range(20):
        (made.projects["app"] / f"random-{number}").write_bytes(os.urandom(10 * MIB))
    here = token(service)
    service.tracker("build", shop(shared_yard, "small").projects["app"], **here)  # whatever it loads once
    before = resident(service)

    built = service.tracker("build", made.projects["app"], "-t", made.image("app"), **here)

    assert "Sent 22 files as 200." in built.stderr
    assert resident(service, peak=True) - before < 64 * MIB
    assert made.shelf.digest(made.image("app")) is not None


def resident(service: RealService, *, peak: bool = False) -> int:
    assert service.process is not None
    name = "VmHWM" if peak else "VmRSS"
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def test_what_looks_locally_looks_the_same_from_elsewhere(shared_yard: Yard) -> None:
    made = shop(shared_yard, "looking")
    with shared_yard.service({**NO_POLL, "TRACKER__WATCH__SETTLE": "1h"}) as service:
        service.start()
        service.tracker("build", made.projects["app"], "-t", made.image("app"), "--task", made.task("app"))
        made.push_base("second")
        service.tracker("check", made.base_name)

        assert_the_same_from_elsewhere(made, service)


def assert_the_same_from_elsewhere(made: Scene, service: RealService) -> None:
    here = token(service, "read")
    for command in (
        ("deps", made.image("app"), "--json"),
        ("rdeps", made.base_name, "--json"),
        ("images", "--json"),
        ("stale", "--json"),
        ("plan", "--json"),
        ("plan", made.base_name, "--json"),
        ("why", made.image("app"), "--json"),
        ("why", made.base_name, "--json"),
        ("graph",),
        ("graph", made.image("app"), "--format", "svg"),
        ("graph", "--format", "json"),
        ("runs",),
        ("runs", "--task", made.task("app"), "--json"),
        ("task", "list-runs", "--image", made.image("app"), "--json"),
        ("task", "logs", "--run-id", "a1"),
        ("logs", "a1"),
        ("logs", "--image", made.image("app"), "--follow"),
    ):
        assert service.tracker(*command, **here).stdout == service.tracker(*command).stdout, command


def test_an_unknown_run_is_told_as_it_is_here(shared_yard: Yard, service: RealService) -> None:
    there = service.tracker("logs", "zz", expect=1, **token(service, "read"))

    assert there.stderr == service.tracker("logs", "zz", expect=1).stderr


def test_no_service_and_no_wait_do_not_go_together(shared_yard: Yard) -> None:
    made = shop(shared_yard, "no-wait")
    with shared_yard.service(NO_POLL) as quiet:
        ended = quiet.tracker("build", made.projects["app"], "--no-wait", expect=2)

        assert "--no-wait needs a service" in ended.stderr


def test_a_build_may_be_left_to_the_queue(shared_yard: Yard, service: RealService) -> None:
    made = shop(shared_yard, "left")

    told = service.read("build", str(made.projects["app"]), "-t", made.image("app"), "--no-wait")
    service.until(service.is_idle, "the run to end")

    assert told["status"] in ("Queued", "Started", "Running")
    assert [run.status for run in service.runs()] == ["Succeeded"]


@pytest.mark.parametrize("command", ["build", "run"])
def test_a_command_that_does_not_wait_prints_the_id_of_its_run(
    shared_yard: Yard, service: RealService, command: str
) -> None:
    made = shop(shared_yard, f"left-{command}")
    words = (str(made.projects["app"]),) if command == "build" else ("--cmd", made.image("base"))

    told = service.tracker(command, *words, "--no-wait")
    service.until(service.is_idle, "the run to end")

    assert told.stdout == f"{service.runs()[0].run_id}\n"
    assert "Queued a" in told.stderr


def test_secrets_of_a_remote_build_reach_the_build_and_stay_nowhere(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "secret")
    secret = "a-secret-of-this-test"
    variables = {**token(service), "NPM": secret}

    service.tracker(
        "build", made.projects["app"], "-t", made.image("app"), "--secret", "id=npm,env=NPM", **variables
    )

    holders = [path for path in service.state.rglob("*") if path.is_file() and _holds(path, secret)]
    assert holders == []
    assert service.query("SELECT * FROM run_secrets") == []
    assert secret not in service.log


def _holds(path: Path, text: str) -> bool:
    return text.encode() in path.read_bytes()


@pytest.mark.parametrize(
    ("answers", "status"), [(b"c\n", "Canceled"), (b"d\n", "Succeeded"), (b"\x03", "Succeeded")]
)
def test_ctrl_c_asks_whether_to_cancel_or_to_leave(
    shared_yard: Yard, service: RealService, answers: bytes, status: str
) -> None:
    made = shop(shared_yard, f"ctrl-{answers[0]}")
    service.hook("before-push")
    command = ["build", str(made.projects["app"]), "-t", made.image("app")]
    with on_terminal(service, command) as typed:
        service.wait_until_held()
        typed.write(b"\x03")
        typed.wait_for(b"[d]etach")
        typed.write(answers)
        if status == "Succeeded":
            typed.wait_for(b"goes on without this command")
        else:
            typed.wait_for(b"canceled")
    service.unhook("before-push")
    service.until(service.is_idle, "the run to end")

    assert [run.status for run in service.runs()] == [status]
    assert typed.exit_status == (1 if status == "Canceled" else 130)


@dataclass
class Typed:
    """A command at a terminal of its own."""

    pid: int
    terminal: int
    said: bytes = b""
    exit_status: int | None = None

    def write(self, text: bytes) -> None:
        os.write(self.terminal, text)

    def wait_for(self, text: bytes) -> None:
        ends = time.monotonic() + DEADLINE_S
        while text not in self.said:
            if not select.select([self.terminal], [], [], max(0.0, ends - time.monotonic()))[0]:
                pytest.fail(f"{text!r} was not said: {self.said!r}")
            self.said += os.read(self.terminal, 65536)  # OSError where the command has ended

    def end(self) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(self.terminal, 65536):
                self.said += piece
        self.exit_status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextlib.contextmanager
def on_terminal(service: RealService, arguments: list[str]) -> Iterator[Typed]:
    import sys

    from tests.real_service import MAIN

    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", MAIN, *arguments], service.environment)
    typed = Typed(pid, terminal)
    try:
        yield typed
    finally:
        typed.end()
        os.close(terminal)


TASK_FILE = """\
version: v1.1.0
steps:
  - build: -t {{.Values.image}} .
  - push: ["{{.Values.image}}"]
"""


SECRET_FILE = """\
version: v1.1.0
steps:
  - cmd: "{{.Values.base}} /bin/sh -c set"
    env: ["KIND={{.Values.kind}}", "KEY={{.Values.key}}"]
"""


def test_a_task_file_and_its_folder_go_to_the_service_whatever_is_ignored(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "file")
    (made.projects["app"] / "acb.yaml").write_text(TASK_FILE)
    (made.projects["app"] / ".dockerignore").write_text("*\n!f\n")
    command = ("run", made.projects["app"], "-f", "acb.yaml", "--set", f"image={made.image('app')}")

    done = service.tracker(*command, "--json", **token(service))

    digest = str(made.shelf.digest(made.image("app")))
    assert [output["digest"] for output in json.loads(done.stdout)["outputs"]] == [digest]
    assert stored_log(service, "a1").decode() in done.stderr


def test_a_saved_task_is_run_from_elsewhere_with_another_folder(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "saved")
    service.tracker("build", made.projects["app"], "-t", made.image("app"), "--task", "saved-app")
    first = made.shelf.digest(made.image("app"))
    other = shared_yard.project(f"FROM {made.base_name}\nARG TEXT\nCOPY f /f\nLABEL text=$TEXT\n", f="other")
    command = ("task", "run", "-n", "saved-app", "-c", other, "--arg", "TEXT=said")

    service.tracker(*command, **token(service, "read", "run", "write"))

    assert made.shelf.digest(made.image("app")) != first
    assert made.shelf.config(made.image("app"))["config"]["Labels"]["text"] == "said"
    assert [run.cause for run in service.runs("saved-app")] == ["manual", "manual"]


def test_a_task_is_created_run_and_deleted_from_elsewhere(shared_yard: Yard, service: RealService) -> None:
    made = shop(shared_yard, "afar")
    made.shelf.put(made.base, with_shell("first"))
    afar = token(service, "read", "run", "write")

    service.tracker("task", "create", "-n", "greet", "--cmd", f"{made.base_name} sh -c 'echo before'", **afar)
    service.tracker("task", "update", "-n", "greet", "--cmd", f"{made.base_name} sh -c 'echo after'", **afar)
    done = service.tracker("task", "run", "-n", "greet", **afar)
    service.tracker("task", "delete", "-n", "greet", "--yes", **afar)

    assert "| after\n" in done.stderr
    assert service.query("SELECT count(*) FROM tasks") == [(0,)]
    assert not (service.folder / "nothing-here").exists()


def test_a_strict_run_elsewhere_refuses_an_unknown_key_with_the_way_out(
    shared_yard: Yard, service: RealService
) -> None:
    folder = shared_yard.project("FROM scratch\n", f="strict")
    (folder / "acb.yaml").write_text("version: v1.1.0\nsteps:\n  - cmd: x\n    unknown: 1\n    other: 1\n")

    refused = service.tracker("run", folder, "--strict", expect=2, **token(service))
    here = service.tracker("run", folder, "--strict", "--server", "none", expect=2)

    assert "has no property 'unknown'" in refused.stderr
    assert "\nhint: the file has 2 faults\n" in refused.stderr
    assert refused.stderr.endswith(here.stderr)
    assert service.query("SELECT count(*) FROM runs") == [(0,)]


@pytest.mark.parametrize("where", ["elsewhere", "on this machine", "in this process"])
def test_a_secret_typed_for_one_run_of_a_task_reaches_it_and_stays_nowhere(
    shared_yard: Yard, service: RealService, where: str
) -> None:
    made = shop(shared_yard, f"once-{where.replace(' ', '-')}")
    made.shelf.put(made.base, with_shell("first"))
    (made.projects["app"] / "acb.yaml").write_text(SECRET_FILE)
    create = ("task", "create", "-n", "once", "-c", made.projects["app"], "-f", "acb.yaml")
    service.tracker(*create, "--set", f"base={made.base_name}", "--set", "kind=saved")
    secret = {"KEY": "a-secret-of-this-run"}
    if where == "elsewhere":
        secret |= token(service, "read", "run")
    elif where == "in this process":
        service.stop()

    command = ("task", "run", "-n", "once", "--set", "kind=typed", "--set-secret", "key=env:KEY", "--json")
    done = service.tracker(*command, **secret)

    assert json.loads(done.stdout)["status"] == "Succeeded"
    assert "KIND='typed'" in done.stderr and "KEY='***'" in done.stderr
    assert secret["KEY"] not in done.stderr
    assert service.query("SELECT * FROM run_secrets") == []


@pytest.mark.parametrize("where", ["elsewhere", "in this process"])
def test_a_secret_of_a_quick_run_is_read_from_where_it_is_said_to_be(
    shared_yard: Yard, service: RealService, where: str, tmp_path: Path
) -> None:
    made = shop(shared_yard, f"quick-{where.replace(' ', '-')}")
    made.shelf.put(made.base, with_shell("first"))
    (made.projects["app"] / "acb.yaml").write_text(SECRET_FILE)
    (tmp_path / "key").write_text("a-secret-in-a-file\n")
    caller = token(service, "read", "run") if where == "elsewhere" else {"TRACKER_SERVER": "none"}

    values = ("--set", f"base={made.base_name}", "--set", "kind=typed")
    done = service.tracker(
        *("run", made.projects["app"], *values, "--set-secret", f"key=file:{tmp_path}/key"), **caller
    )

    assert "KEY='***'" in done.stderr
    assert "a-secret-in-a-file" not in done.stderr


def test_a_secret_of_another_kind_than_the_task_is_refused(shared_yard: Yard, service: RealService) -> None:
    made = shop(shared_yard, "other-kind")
    service.tracker("build", made.projects["app"], "-t", made.image("app"), "--task", "other-kind")
    command = ("task", "run", "-n", "other-kind", "--set-secret", "key=env:PATH")

    there = service.tracker(*command, expect=2, **token(service, "read", "run"))

    assert "--set-secret: task other-kind has a Dockerfile" in there.stderr
    assert there.stderr == service.tracker(*command, expect=2, TRACKER_SERVER="none").stderr


def test_a_token_that_may_only_run_gives_no_other_folder_the_secrets_of_a_task(
    shared_yard: Yard, service: RealService
) -> None:
    made = shop(shared_yard, "kept")
    service.tracker("build", made.projects["app"], "-t", made.image("app"), "--task", "kept-app")
    command = ("task", "run", "-n", "kept-app", "-c", made.projects["app"])

    refused = service.tracker(*command, expect=2, **token(service, "read", "run"))

    assert "has not the scope 'write'" in refused.stderr
    assert len(service.runs("kept-app")) == 1
