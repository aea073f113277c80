"""A worker builds, pushes and ends what it is told to, against a real docker daemon."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from graph.reference import ImageRef, Platform
from rebuild.engines.engine import BuildRequest, Built, CommandFailed, EngineError, Pushed
from rebuild.engines.features import Builder
from rebuild.engines.probe_program import SAYS
from rebuild.engines.surroundings import Surroundings
from rebuild.engines.worker_engine import NotAsSet, WorkerAway, WorkerEngine, open_worker
from rebuild.engines.workers import Worker
from tests.hostile_registry import Reply, hostile_registry
from tests.real_engine import context
from tests.real_registry import RealRegistry
from tests.real_service import processes_with
from tests.real_worker import RealWorker, real_worker, wire
from tests.rebuild.context.repositories import SshServer, ssh_server

ARM64, WINDOWS = Platform.parse("linux/arm64"), Platform.parse("windows/amd64")
FOREIGN = 'FROM scratch\nCOPY probe-arm64 /probe\nRUN ["/probe"]\n'
BUSYBOX = "FROM scratch\nCOPY busybox /bin/sh\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealWorker]:
    with real_worker(tmp_path_factory.mktemp("worker")) as made:
        yield made


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    return Surroundings(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def arm(running: RealWorker, around: Surroundings) -> WorkerEngine:
    return asyncio.run(open_worker(around, None, running.named("arm", "linux/arm64")))


@pytest.fixture(params=[Builder.BUILDKIT, Builder.LEGACY])
def engine(request: pytest.FixtureRequest, arm: WorkerEngine, around: Surroundings) -> WorkerEngine:
    return with_builder(arm, request.param)


def with_builder(engine: WorkerEngine, builder: Builder) -> WorkerEngine:
    changed = engine.with_progress(lambda progress: None)
    changed.probe = replace(engine.probe, builder=builder)
    return changed


def asked_of(folder: Path, platform: Platform = ARM64, timeout_s: float = 120) -> BuildRequest:
    return BuildRequest(folder, folder / "Dockerfile", None, platform, "worker-test:1", timeout_s=timeout_s)


async def built(engine: WorkerEngine, folder: Path) -> Built:
    log: list[bytes] = []
    outcome = await engine.build(asked_of(folder), log.append)
    assert isinstance(outcome, Built), b"".join(log).decode(errors="replace")
    assert SAYS in b"".join(log).decode() or b"CACHED" in b"".join(log) or b"Using cache" in b"".join(log)
    return outcome


@pytest.mark.anyio
async def test_what_runs_another_platform_is_built_and_pushed_there(
    engine: WorkerEngine, running: RealWorker, tmp_path: Path, registry: RealRegistry
) -> None:
    image = (await built(engine, context(tmp_path / "c", FOREIGN))).image

    pushed = await engine.push(image, ImageRef.parse(f"{registry.host}/app:1"), lambda piece: None)

    assert image.platform == ARM64
    assert running.docker("image", "inspect", "--format={{.Id}}", "worker-test:1").strip() == str(
        image.image_id
    )
    assert pushed == Pushed(registry.digest("app:1"))


@pytest.mark.anyio
async def test_a_worker_is_known_by_its_certificate_and_knows_its_client(
    running: RealWorker, around: Surroundings, tmp_path: Path
) -> None:
    known = Worker("tls", running.tls_host, (ARM64,), running.tls_folder)

    engine = await open_worker(around, None, known)
    assert (await built(engine, context(tmp_path / "c", FOREIGN))).image.platform == ARM64

    for stranger in (
        replace(known, tls_folder=None),
        replace(known, host=known.host.replace("localhost", "127.0.0.1")),
    ):
        with pytest.raises(WorkerAway, match=r"worker tls \(tcp://.*\) cannot be used: the docker daemon"):
            await open_worker(around, None, stranger)


@dataclass(frozen=True)
class Far:
    """A machine that ssh leads to; `knowing` is what its client finds, with the key of a host or without."""

    server: SshServer
    folder: Path

    @property
    def worker(self) -> Worker:
        return Worker("far", f"ssh://{getpass.getuser()}@127.0.0.1:{self.server.port}", (ARM64,))

    def knowing(self, known_hosts: Path) -> Surroundings:
        programs = self.folder / known_hosts.name
        programs.mkdir()
        ours = f"-F /dev/null -i {self.server.key_file} -o UserKnownHostsFile={known_hosts}"
        (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {ours} "$@"\n')
        (programs / "ssh").chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        return Surroundings(programs / "state", environment={**os.environ, "PATH": path})


@pytest.fixture
def far(running: RealWorker, tmp_path: Path) -> Iterator[Far]:
    with ssh_server(tmp_path / "sshd", DOCKER_HOST=running.socket) as server:
        yield Far(server, tmp_path)


@pytest.mark.anyio
@pytest.mark.parametrize("builder", [Builder.BUILDKIT, Builder.LEGACY])
async def test_a_worker_is_reached_by_ssh_and_what_is_ended_here_ends_there(
    far: Far, builder: Builder, tmp_path: Path
) -> None:
    engine = with_builder(await open_worker(far.knowing(far.server.known_hosts), None, far.worker), builder)

    assert (await built(engine, context(tmp_path / "c", FOREIGN))).image.platform == ARM64
    await end_one(engine, f"{1000 + os.getpid() % 300}.{len(builder)}", "canceled", tmp_path)


@pytest.mark.anyio
async def test_a_host_that_ssh_does_not_know_is_refused_without_a_question(far: Far, tmp_path: Path) -> None:
    with pytest.raises(WorkerAway, match="Host key verification failed"):
        await open_worker(far.knowing(tmp_path / "nothing"), None, far.worker)


@pytest.mark.anyio
async def test_a_worker_that_is_away_is_named_with_its_host(around: Surroundings) -> None:
    with pytest.raises(WorkerAway) as away:
        await open_worker(around, None, Worker("gone", "tcp://127.0.0.1:1", (ARM64,)))

    assert "worker gone (tcp://127.0.0.1:1) cannot be used" in away.value.message
    assert "docker --host tcp://127.0.0.1:1 version" in str(away.value.hint)


@pytest.mark.anyio
async def test_a_worker_that_accepts_and_says_nothing_is_waited_for_a_bounded_time(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rebuild.engines.docker_probe.GREETING_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = Worker("mute", f"tcp://127.0.0.1:{silent.getsockname()[1]}", (ARM64,))

        with pytest.raises(WorkerAway, match=r"no answer within 0\.5 seconds"):
            await open_worker(around, None, mute)


@pytest.mark.anyio
async def test_a_worker_that_is_lost_under_way_is_nobodys_fault_but_its_own(
    arm: WorkerEngine, running: RealWorker, around: Surroundings, tmp_path: Path
) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}RUN echo begun; sleep 600\n")
    with wire(running.socket) as line:
        engine = await open_worker(around, None, Worker("far", line.host, (ARM64,)))
        log = b""

        def hear(piece: bytes) -> None:
            nonlocal log
            log += piece
            if b"begun\n" in log.split(b"RUN echo", 1)[-1]:
                line.cut()

        with pytest.raises(WorkerAway, match=r"worker far \(tcp://127\.0\.0\.1:\d+\)"):
            await engine.build(asked_of(folder, Platform.parse("linux/amd64")), hear)


@pytest.mark.anyio
async def test_a_step_that_fails_there_is_the_image_owners(engine: WorkerEngine, tmp_path: Path) -> None:
    folder = context(tmp_path / "c", f"{BUSYBOX}RUN echo the reason; exit 7\n")

    outcome = await engine.build(asked_of(folder, Platform.parse("linux/amd64")), lambda piece: None)

    assert isinstance(outcome, CommandFailed)
    assert "the reason" in outcome.log_tail


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["canceled", "timed out"])
async def test_what_is_ended_here_ends_there(engine: WorkerEngine, how: str, tmp_path: Path) -> None:
    mark = f"{600 + os.getpid() % 300}.{len(how)}{len(str(engine.probe.builder))}"

    await end_one(engine, mark, how, tmp_path)


async def end_one(engine: WorkerEngine, mark: str, how: str, folder: Path) -> None:
    """Begin a build, end it here, and wait until no process of it is left."""
    source = context(folder / "slow", f"{BUSYBOX}RUN echo begun; sleep {mark}\n")
    request = asked_of(source, Platform.parse("linux/amd64"), timeout_s=120 if how == "canceled" else 6)
    building = asyncio.create_task(engine.build(request, lambda piece: None))
    await until(lambda: f"sleep {mark}" in running_there(mark))

    if how == "canceled":
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
    else:
        outcome = await building
        assert isinstance(outcome, CommandFailed)
        assert outcome.timed_out

    await until(lambda: not running_there(mark))


def running_there(mark: str) -> str:
    return "\n".join(line for line in processes_with(f"sleep {mark}") if "docker" not in line)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("waited in vain")


@pytest.mark.anyio
async def test_what_was_found_out_of_a_worker_is_remembered_beside_this_machines(
    running: RealWorker, tmp_path: Path
) -> None:
    around = Surroundings(tmp_path)
    first = await open_worker(around, None, running.named("arm", "linux/arm64"))

    again = await open_worker(around, None, running.named("renamed", "linux/arm64"))

    assert again.probe == first.probe
    assert first.probe.machine == "linux/amd64"
    (key,) = json.loads((tmp_path / "engine-probe.json").read_text())
    assert f"of the daemon at {running.socket}" in key


@pytest.mark.anyio
async def test_a_daemon_of_another_system_than_was_said_is_refused(
    running: RealWorker, around: Surroundings
) -> None:
    with pytest.raises(NotAsSet, match=r"is set to have windows/amd64, and its docker runs linux/amd64"):
        await open_worker(around, None, running.named("win", "windows/amd64"))


@pytest.mark.anyio
async def test_other_daemons_of_the_environment_and_proxies_do_not_count(
    running: RealWorker, tmp_path: Path
) -> None:
    lost = {
        "DOCKER_HOST": "unix:///nowhere",
        "DOCKER_CONTEXT": "nothing",
        "DOCKER_TLS_VERIFY": "1",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    around = Surroundings(tmp_path, environment={**os.environ, **lost})

    engine = await open_worker(around, None, running.named("arm", "linux/arm64"))

    assert engine.probe.can_build


@pytest.mark.anyio
async def test_what_a_stranger_wrote_is_not_run_on_the_network_of_a_worker(
    arm: WorkerEngine, tmp_path: Path
) -> None:
    assert arm.probe.build_network == "host"  # of the tests' daemon, which has no bridge

    with pytest.raises(EngineError, match=r"docker of worker arm .* on the network of its machine alone"):
        arm.as_nobody(tmp_path / "config.json")


@pytest.mark.anyio
async def test_what_a_stranger_wrote_is_not_run_on_windows(arm: WorkerEngine, tmp_path: Path) -> None:
    windows = arm.with_progress(lambda progress: None)
    windows.probe = replace(arm.probe, machine="windows/amd64", build_network=None)

    with pytest.raises(EngineError, match="containers may share its kernel"):
        windows.as_nobody(tmp_path / "config.json")


@pytest.mark.anyio
async def test_a_worker_runs_what_it_is_set_to_and_its_own(arm: WorkerEngine) -> None:
    assert arm.cannot_run(ARM64) is None
    assert arm.cannot_run(Platform.parse("linux/amd64")) is None
    assert arm.cannot_run(WINDOWS) == "worker arm, which builds the rest, has linux/arm64"


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"{}", b'{"Version": 1, "Os": [], "Arch": "x"}', b"[]", b"no JSON"])
async def test_what_is_no_docker_daemon_is_told_as_such(body: bytes, around: Surroundings) -> None:
    headers = {"content-type": "application/json", "api-version": "1.41", "ostype": "linux"}
    with hostile_registry() as other:
        other.script = [Reply(headers=headers, body=body)]
        worker = Worker("other", f"tcp://127.0.0.1:{other.port}", (ARM64,))

        with pytest.raises(WorkerAway, match=r"worker other \(tcp://127\.0\.0\.1:\d+\) cannot be used"):
            await open_worker(around, None, worker)
