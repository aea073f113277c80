"""A secret reaches the step that mounts it and stays nowhere: real podman, real docker."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.reference import Platform
from rebuild.engines.docker import DockerEngine
from rebuild.engines.docker_probe import probe_docker
from rebuild.engines.engine import BuildRequest, Built, CommandFailed, EngineError
from rebuild.engines.features import Builder
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.surroundings import Surroundings
from rebuild.images.build_secrets import advice, copies
from rebuild.secrets.secret import Secret
from tests.real_engine import context, docker_daemon, podman_storage

pytestmark = pytest.mark.anyio

VALUE = "hunter22-äö'\n second line\n"
BUSYBOX = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\n"
MOUNTED = f"{BUSYBOX}RUN --mount=type=secret,id=npm /bin/busybox sha256sum /run/secrets/npm\n"


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    with podman_storage(tmp_path_factory.mktemp("podman")) as surroundings:
        yield surroundings


@pytest.fixture(scope="module")
def podman(around: Surroundings) -> PodmanEngine:
    return PodmanEngine(asyncio.run(probe_podman(around)), around)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    folder = tmp_path_factory.mktemp("docker")
    with docker_daemon(folder / "daemon") as daemon:
        surroundings = Surroundings(folder / "state", docker_host=daemon.host)
        yield DockerEngine(asyncio.run(probe_docker(surroundings)), surroundings)


def request(tmp_path: Path, dockerfile: str, value: str = VALUE) -> BuildRequest:
    folder = context(tmp_path / "context", dockerfile)
    (tmp_path / "scratch").mkdir()
    return BuildRequest(
        context=folder,
        dockerfile=folder / "Dockerfile",
        ignore_file=None,
        platform=Platform.parse("linux/amd64"),
        tag=f"localhost/secrets-{tmp_path.name[-20:].strip('_').lower()}:test",
        secrets={"npm": Secret(value)},
        scratch=tmp_path / "scratch",
        no_cache=True,
        timeout_s=120,
    )


def files_with(folder: Path, value: str) -> list[Path]:
    """Every file below `folder` that holds the value; storage layers included."""
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and value.encode() in path.read_bytes():
                found.append(path)
    return found


def processes_with(value: str) -> list[str]:
    """Processes whose command line or environment holds the value, this one aside."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                if value.encode() in (path / name).read_bytes():
                    found.append(f"{path.name} {name}")
    return found


async def sum_of(engine: PodmanEngine | DockerEngine, asked: BuildRequest) -> bytes:
    log: list[bytes] = []
    outcome = await engine.build(asked, log.append)
    assert isinstance(outcome, Built), b"".join(log).decode(errors="replace")
    return b"".join(log)


async def test_podman_gives_a_step_the_secret_byte_by_byte(podman: PodmanEngine, tmp_path: Path) -> None:
    log = await sum_of(podman, request(tmp_path, MOUNTED))

    assert hashlib.sha256(VALUE.encode()).hexdigest().encode() in log


async def test_docker_gives_a_step_the_secret_byte_by_byte(docker: DockerEngine, tmp_path: Path) -> None:
    log = await sum_of(docker, request(tmp_path, MOUNTED))

    assert hashlib.sha256(VALUE.encode()).hexdigest().encode() in log


async def test_after_a_build_the_secret_is_nowhere(
    podman: PodmanEngine, around: Surroundings, tmp_path: Path
) -> None:
    asked = request(tmp_path, MOUNTED, value="Zx9-nowhere-to-be-found")

    log = await sum_of(podman, asked)

    assert around.storage is not None
    assert files_with(around.storage, "Zx9-nowhere") == []
    assert files_with(tmp_path, "Zx9-nowhere") == []
    assert b"Zx9-nowhere" not in log
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_while_it_runs_no_process_shows_the_secret(podman: PodmanEngine, tmp_path: Path) -> None:
    step = "RUN --mount=type=secret,id=npm /bin/busybox echo be''gun; /bin/busybox sleep 1\n"
    seen: list[str] = []
    steps: list[bytes] = []

    def watch(piece: bytes) -> None:
        steps.append(piece)
        if b"begun" in piece:
            seen.extend(processes_with("Zx8-" + "on-no-command-line"))

    outcome = await podman.build(request(tmp_path, BUSYBOX + step, value="Zx8-on-no-command-line"), watch)

    assert isinstance(outcome, Built)
    assert b"begun" in b"".join(steps)
    assert seen == []


async def test_files_of_secrets_are_for_our_eyes_alone(podman: PodmanEngine, tmp_path: Path) -> None:
    asked = request(tmp_path, f"{MOUNTED}RUN /bin/busybox sleep 1\n")
    modes: set[int] = set()

    def watch(piece: bytes) -> None:
        for path in (tmp_path / "scratch").glob("*/secret-*"):
            modes.update((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777))

    await podman.build(asked, watch)

    assert modes == {0o600, 0o700}


async def test_a_build_that_is_ended_leaves_no_copy_in_the_storage(
    podman: PodmanEngine, around: Surroundings, tmp_path: Path
) -> None:
    step = "RUN --mount=type=secret,id=npm /bin/busybox echo be''gun; /bin/busybox sleep 600\n"
    begun = asyncio.Event()

    def watch(piece: bytes) -> None:
        if b"begun" in piece:
            begun.set()

    building = asyncio.create_task(podman.build(request(tmp_path, BUSYBOX + step), watch))
    await asyncio.wait_for(begun.wait(), 60)
    assert around.storage is not None
    assert copies(around.storage) != []
    building.cancel()
    await asyncio.wait([building])

    assert copies(around.storage) == []
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_the_next_build_clears_what_a_killed_tracker_left(
    podman: PodmanEngine, around: Surroundings, tmp_path: Path
) -> None:
    assert around.storage is not None
    left = around.storage / "overlay-containers/0123/userdata/secrets/npm"
    left.parent.mkdir(parents=True)
    left.write_text("left behind")

    await sum_of(podman, request(tmp_path, MOUNTED))

    assert not left.exists()


async def test_a_required_secret_that_is_not_given_fails_the_build(
    podman: PodmanEngine, tmp_path: Path
) -> None:
    dockerfile = MOUNTED.replace("id=npm", "id=other,required=true")

    outcome = await podman.build(request(tmp_path, dockerfile), lambda piece: None)

    assert isinstance(outcome, CommandFailed)


async def test_the_legacy_builder_of_docker_refuses_secrets(docker: DockerEngine, tmp_path: Path) -> None:
    legacy = DockerEngine(replace(docker.probe, builder=Builder.LEGACY), Surroundings(tmp_path))

    with pytest.raises(EngineError, match="legacy builder has no secrets: npm would go unused"):
        await legacy.build(request(tmp_path, MOUNTED), lambda piece: None)


@pytest.mark.parametrize("name", ["a,src=/etc/shadow", "../x", "", "a b"])
async def test_an_id_that_is_more_than_a_name_is_refused(
    podman: PodmanEngine, tmp_path: Path, name: str
) -> None:
    asked = replace(request(tmp_path, MOUNTED), secrets={name: Secret("hunter22")})

    with pytest.raises(EngineError, match="is not made of letters"):
        await podman.build(asked, lambda piece: None)


def test_a_dockerfile_that_waits_for_an_argument_is_told_what_to_write() -> None:
    lines = list(advice(b"FROM a\nARG npm\narg x=1 y\nRUN make $npm\n", ["npm"]))

    assert len(lines) == 2
    assert "RUN --mount=type=secret,id=npm" in lines[0]
    assert lines[1].startswith("warning: ARG npm stays empty")


def test_a_dockerfile_that_mounts_the_secret_is_left_in_peace() -> None:
    assert list(advice(MOUNTED.encode(), ["npm"])) == []
