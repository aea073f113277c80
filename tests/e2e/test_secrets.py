"""A run uses the secrets and logins that it is given, and leaves them nowhere: real command, real engine."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.clock import now
from graph.database import immediate, open_for_writing
from rebuild.secrets.cipher import find_cipher
from rebuild.secrets.credentials import RegistryCredentials
from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_source import Opaque
from tests.e2e.yard import Yard
from tests.real_registry import RealRegistry
from tests.real_service import RealService
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic

VALUE = "Qv7-never-to-be-found-anywhere"
SHELL = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\n"


@pytest.fixture
def service(shared_yard: Yard) -> Iterator[RealService]:
    with shared_yard.service() as running:
        yield running


def project(yard: Yard, dockerfile: str) -> Path:
    folder = yard.project(dockerfile)
    shutil.copy(str(shutil.which("busybox")), folder / "busybox")
    return folder


def files_with(text: str, *folders: Path) -> list[Path]:
    found = []
    for path in (path for folder in folders for path in folder.rglob("*")):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and text.encode() in path.read_bytes():
                found.append(path)
    return found


def processes_with(text: str) -> set[str]:
    """Command lines that hold the text."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in (line := path.read_bytes()):
                found.add(line.decode(errors="replace"))
    return found


def test_a_secret_of_a_build_is_used_and_left_nowhere(shared_yard: Yard, service: RealService) -> None:
    step = "RUN --mount=type=secret,id=TOKEN /bin/busybox sh -c 'T=$(/bin/busybox cat /run/secrets/TOKEN); "
    step += "echo token $T; echo -n $T | /bin/busybox base64; test ${#T} = 30 && /bin/busybox sleep 1'\n"
    context = project(shared_yard, SHELL + step)
    name = f"{shared_yard.registry.host}/secrets/used:1"

    building = service.launch(
        *("build", str(context), "-t", name, "--secret-build-arg", "TOKEN", "--task", "used"),
        log="build.log",
        TOKEN=VALUE,
    )
    shown: set[str] = set()
    while building.poll() is None:
        shown |= processes_with(VALUE)
        time.sleep(0.01)

    printed = (service.folder / "build.log").read_text()
    assert building.returncode == 0, printed
    assert "token ***\n***\n" in printed
    assert shown == set()
    assert files_with(VALUE, service.folder, shared_yard.storage, shared_yard.registry.folder) == []
    assert VALUE not in str(shared_yard.shelf.config(name))


def test_a_failing_step_that_prints_its_secret_shows_it_in_no_error(
    shared_yard: Yard, service: RealService
) -> None:
    step = (
        "RUN --mount=type=secret,id=TOKEN /bin/busybox sh -c '/bin/busybox cat /run/secrets/TOKEN; exit 3'\n"
    )
    context = project(shared_yard, SHELL + step)

    words = ("build", str(context), "--no-push", "--secret", "id=TOKEN,env=MINE")
    ended = service.tracker(*words, expect=1, MINE=VALUE)

    assert VALUE not in ended.stdout + ended.stderr
    assert VALUE not in str(service.runs())
    assert files_with(VALUE, service.folder, shared_yard.storage) == []


def test_the_service_rebuilds_a_task_with_the_secrets_that_are_kept_with_it(
    shared_yard: Yard, service: RealService
) -> None:
    shelf = shared_yard.shelf
    base = shelf.push("secrets/base:1", "one")
    mount = "--mount=type=secret,id=TOKEN,required=true"
    step = f'RUN {mount} ["/busybox", "cmp", "/run/secrets/TOKEN", "/expected"]\n'
    context = project(shared_yard, f"FROM {base}\nCOPY busybox expected /\n{step}")
    (context / "expected").write_text(VALUE)
    name = f"{shared_yard.registry.host}/secrets/kept:1"
    service.tracker(
        "build", context, "-t", name, "--secret-build-arg", "TOKEN", "--task", "kept", TOKEN=VALUE
    )
    before = shelf.digest(name)

    service.start()
    shelf.push("secrets/base:1", "two")
    service.until(lambda: shelf.digest(name) != before, "the rebuild")

    service.until(service.is_idle, "the end of the run")
    assert [run.status for run in service.runs("kept")] == ["Succeeded", "Succeeded"]
    assert files_with(VALUE, service.state) == []


def test_a_task_logs_in_to_a_registry_as_itself(
    shared_yard: Yard, service: RealService, tmp_path: Path
) -> None:
    with registry_with_basic(tmp_path / "private", "base") as private:
        context = project(shared_yard, f"FROM {private.host}/base:1\nCOPY busybox /\n")
        words = ("build", str(context), "-t", f"{private.host}/app:1", "--task", "private")
        refused = service.tracker(*words, expect=1)
        assert "none are known" in refused.stderr
        give_login(service, private)

        service.tracker(*words)

        assert [run.status for run in service.runs("private")] == ["Failed", "Succeeded"]
        assert files_with(PASSWORD, service.folder) == []


def give_login(service: RealService, registry: RealRegistry) -> None:
    connection = open_for_writing(service.state / "graph.db")
    with contextlib.closing(connection), immediate(connection):
        ((task_id,),) = connection.execute("SELECT id FROM tasks WHERE name = 'private'").fetchall()
        RegistryCredentials(connection, lambda: find_cipher(service.state, {})).add(
            task_id,
            registry.host,
            username=Opaque(Secret(USER)),
            password=Opaque(Secret(PASSWORD)),
            at=now(),
        )
