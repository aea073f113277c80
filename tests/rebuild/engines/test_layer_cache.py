"""Layers that a registry keeps serve builds elsewhere, bring no old base in, and end no build."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.reference import ImageRef, Platform
from rebuild.engines.docker import DockerEngine
from rebuild.engines.docker_probe import probe_docker
from rebuild.engines.engine import BuildRequest, Built, LocalImage
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_layers import limited, unseen_mount
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.surroundings import Surroundings
from tests.e2e.bases import Shelf, with_shell
from tests.faulty_registry import faulty_registry
from tests.hostile_registry import Reply
from tests.real_engine import docker_daemon, podman_storage
from tests.real_registry import RealRegistry, free_port

AMD64 = Platform.parse("linux/amd64")
Engine = PodmanEngine | DockerEngine


@contextlib.contextmanager
def podman(folder: Path) -> Iterator[PodmanEngine]:
    with podman_storage(folder) as around:
        yield PodmanEngine(asyncio.run(probe_podman(around)), around)


@contextlib.contextmanager
def docker(folder: Path) -> Iterator[DockerEngine]:
    with docker_daemon(folder / "daemon") as daemon:
        around = Surroundings(folder / "state", docker_host=daemon.host)
        yield DockerEngine(asyncio.run(probe_docker(around)), around)


@pytest.fixture(scope="module", params=[podman, docker])
def machines(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Engine]]:
    """Two machines that have nothing in common but the registry."""
    here, there = (tmp_path_factory.mktemp("m") for _ in range(2))
    with request.param(here) as one, request.param(there) as other:
        yield one, other


@pytest.fixture(scope="module")
def one_podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanEngine]:
    with podman(tmp_path_factory.mktemp("p")) as engine:
        yield engine


@pytest.fixture
def shelf(registry: RealRegistry) -> Shelf:
    return Shelf(registry, registry.host)


def pinned(shelf: Shelf, name: str) -> str:
    return f"{name.rpartition(':')[0]}@{shelf.digest(name)}"


def tags(shelf: Shelf, repository: str) -> list[str]:
    with urllib.request.urlopen(f"{shelf.registry.url}/v2/{repository}/tags/list") as answer:
        return list(json.loads(answer.read())["tags"])


def asked(folder: Path, dockerfile: str, **changes: Any) -> BuildRequest:
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(dockerfile)
    plain = BuildRequest(folder, folder / "Dockerfile", None, AMD64, "localhost/cached:1", timeout_s=120)
    return replace(plain, **changes)


async def built(engine: Engine, request: BuildRequest) -> tuple[LocalImage, str]:
    lines: list[bytes] = []
    outcome = await engine.build(request, lines.append)
    log = b"".join(lines).decode(errors="replace")
    assert isinstance(outcome, Built), log
    return outcome.image, log


@pytest.mark.anyio
async def test_another_machine_takes_the_layers_out_of_the_registry(
    machines: tuple[Engine, Engine], shelf: Shelf, tmp_path: Path
) -> None:
    base = pinned(shelf, shelf.put("base:1", with_shell("one")))
    cache = ImageRef.parse(f"{shelf.host}/app:cache_t_b")
    request = asked(tmp_path / "c", f"FROM {base}\nRUN echo made-$((40+2)) > /x\n", layer_cache=cache)
    first, _ = await built(machines[0], request)

    second, log = await built(machines[1], request)

    assert second.diff_ids == first.diff_ids
    assert "Using cache" in log or "CACHED" in log


@pytest.mark.anyio
async def test_a_base_that_has_moved_is_in_the_image_whatever_the_cache_holds(
    machines: tuple[Engine, Engine], shelf: Shelf, tmp_path: Path
) -> None:
    cache = ImageRef.parse(f"{shelf.host}/app:cache_t_b")
    text = "FROM {}\nRUN read word < /base.txt; echo $word > /x; echo made of $word\n"
    old = pinned(shelf, shelf.put("base:1", with_shell("old")))
    await built(machines[0], asked(tmp_path / "c", text.format(old), layer_cache=cache))
    shelf.put("base:1", with_shell("new"))
    new = pinned(shelf, shelf.name("base:1"))

    image, log = await built(machines[1], asked(tmp_path / "c", text.format(new), layer_cache=cache))

    assert "made of new" in log
    assert [str(layer) for layer in image.diff_ids[:1]] == shelf.layers(shelf.name("base:1"))


@pytest.mark.anyio
async def test_a_registry_that_takes_no_layer_ends_no_build(
    machines: tuple[Engine, Engine], tmp_path: Path
) -> None:
    nobody = ImageRef.parse(f"localhost:{free_port()}/app:cache_t_b")
    request = asked(tmp_path / "c", "FROM scratch\nCOPY Dockerfile /d\n", layer_cache=nobody)

    image, log = await built(machines[0], request)

    assert len(image.diff_ids) == 1
    assert "warning: layers stay on this machine" in log


@pytest.mark.anyio
async def test_a_registry_that_lets_nobody_write_ends_no_build(
    machines: tuple[Engine, Engine], registry: RealRegistry, tmp_path: Path
) -> None:
    writing = ("POST", "PUT", "PATCH")
    with faulty_registry(registry) as proxy:
        proxy.fault = lambda seen: Reply(403, body=b"denied") if seen.method in writing else None
        cache = ImageRef.parse(f"{proxy.host}/app:cache_t_b")
        request = asked(tmp_path / "c", "FROM scratch\nCOPY Dockerfile /e\n", layer_cache=cache)

        image, log = await built(machines[0], request)

    assert len(image.diff_ids) == 1
    assert "warning: layers stay on this machine" in log


@pytest.mark.anyio
async def test_layers_that_the_registry_has_lost_are_built(
    machines: tuple[Engine, Engine], registry: RealRegistry, shelf: Shelf, tmp_path: Path
) -> None:
    base = pinned(shelf, shelf.put("base:1", with_shell("one")))
    with faulty_registry(registry) as proxy:
        cache = ImageRef.parse(f"{proxy.host}/app:cache_t_b")
        request = asked(tmp_path / "c", f"FROM {base}\nRUN echo lost-$((40+2)) > /z\n", layer_cache=cache)
        await built(machines[0], request)
        lost = Reply(404, body=b"blob unknown")
        proxy.fault = lambda seen: lost if (seen.method, "/blobs/" in seen.path) == ("GET", True) else None

        image, _ = await built(machines[1], request)

    assert len(image.diff_ids) == 2


@pytest.mark.anyio
async def test_what_somebody_has_put_in_the_place_of_a_layer_is_not_taken(
    machines: tuple[Engine, Engine], shelf: Shelf, tmp_path: Path
) -> None:
    base = pinned(shelf, shelf.put("base:1", with_shell("one")))
    cache = ImageRef.parse(f"{shelf.host}/app:cache_t_b")
    request = asked(tmp_path / "c", f"FROM {base}\nRUN echo of ours > /y\n", layer_cache=cache)
    await built(machines[0], request)
    for tag in tags(shelf, "app"):
        shelf.put(f"app:{tag}", with_shell("of somebody else"))

    image, _ = await built(machines[1], request)

    assert [str(layer) for layer in image.diff_ids[:1]] == shelf.layers(shelf.name("base:1"))
    assert len(image.diff_ids) == 2


@pytest.mark.anyio
async def test_a_stage_that_is_mounted_brings_its_new_base_along(
    one_podman: PodmanEngine, shelf: Shelf, tmp_path: Path
) -> None:
    base = pinned(shelf, shelf.put("base:1", with_shell("one")))
    step = "RUN --mount=from=tools,target=/t read w < /t/base.txt; echo got $w"
    text = f"FROM {{}} AS tools\nFROM {base}\n{step}\n"
    old, new = (pinned(shelf, shelf.put(f"tools:{word}", with_shell(word))) for word in ("old", "new"))
    await built(one_podman, asked(tmp_path / "c", text.format(old)))

    _, log = await built(one_podman, asked(tmp_path / "c", text.format(new)))

    assert "got new" in log
    assert "podman does not notice what RUN --mount=from=tools,target=/t brings" in log


@pytest.mark.anyio
async def test_a_mount_of_a_cache_leaves_layers_in_use(
    one_podman: PodmanEngine, shelf: Shelf, tmp_path: Path
) -> None:
    base = pinned(shelf, shelf.put("base:1", with_shell("one")))
    request = asked(tmp_path / "c", f"FROM {base}\nRUN --mount=type=cache,target=/t echo made\n")
    await built(one_podman, request)

    _, log = await built(one_podman, request)

    assert "Using cache" in log


@pytest.mark.parametrize(
    ("mount", "is_seen"),
    [
        ("type=bind,target=/s", False),
        ("target=/s", False),
        ("from=stage,target=/s", False),
        ("type=cache,from=stage,target=/s", False),
        ('"type=bind","from=stage"', False),
        ("type=$KIND,target=/s", False),
        ("type=cache,target=/s", True),
        ("type=secret,id=a", True),
        ("type=tmpfs,target=/s", True),
        (f"TYPE=bind,from=r.io/a@sha256:{'0' * 64},target=/s", True),
    ],
)
def test_a_mount_is_seen_where_its_content_is_part_of_the_key(mount: str, is_seen: bool) -> None:
    text = f"FROM a\nRUN --mount=type=ssh --mount={mount} make\n"

    assert unseen_mount(text) == (None if is_seen else f"RUN --mount={mount}")


def test_an_older_podman_says_that_layers_stay() -> None:
    cache = ImageRef.parse("r.io/a:cache_t_b")
    request = BuildRequest(Path("/c"), Path("/d"), None, AMD64, "t", layer_cache=cache)
    lines: list[bytes] = []

    safe = limited(request, "FROM a\n", (1, 27, 3), lines.append)

    assert safe.layer_cache is None
    assert lines == [b"layers stay on this machine: podman keeps them in a registry from 4.3 on\n"]
