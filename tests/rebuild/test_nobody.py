"""An engine for whom nobody vouches finds no login: real podman, a real registry behind one."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from graph.dockerfile import Feature
from graph.reference import ImageRef
from rebuild.engines.emulation import this_machine
from rebuild.engines.engine import CommandFailed, EngineError
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_containers import PodmanContainers
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.probe import Isolation
from rebuild.engines.surroundings import Surroundings, for_nobody
from rebuild.images.trial import StrangersEngine
from rebuild.secrets.auth_file import write_auth_file
from tests.e2e.bases import Shelf, layered_image
from tests.real_engine import podman_storage
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic

LOGIN = b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def empty(folder: Path) -> Path:
    return write_auth_file(folder / "auth", (), user_file=None, engine="podman")


@pytest.mark.anyio
@pytest.mark.parametrize("file", [".docker/config.json", ".config/containers/auth.json"])
async def test_podman_finds_no_login_at_home_for_whom_nobody_vouches(file: str, tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "registry") as registry, podman_storage(tmp_path) as around:
        shelf = Shelf(registry, registry.host, {"authorization": f"Basic {LOGIN}"})
        image = ImageRef.parse(shelf.put("private/base:1", layered_image("x")))
        kept = tmp_path / "home" / file
        kept.parent.mkdir(parents=True)
        kept.write_text(json.dumps({"auths": {registry.host: {"auth": LOGIN}}}))
        around = replace(around, environment={**around.environment, "HOME": str(tmp_path / "home")})
        containers = PodmanContainers(await probe_podman(around), around)
        said: list[bytes] = []

        pulled = await containers.pull(image, this_machine(), said.append)
        refused = await containers.as_nobody(empty(tmp_path)).pull(image, this_machine(), said.append)

    assert pulled is None
    assert isinstance(refused, CommandFailed)
    assert "unauthorized" in refused.log_tail


def test_nobody_has_all_that_is_told_at_home_but_the_logins(tmp_path: Path) -> None:
    told = tmp_path / "home/.config/containers"
    told.mkdir(parents=True)
    for name in ("auth.json", "storage.conf", "policy.json"):
        (told / name).write_text("{}")
    home = {"HOME": str(tmp_path / "home"), "REGISTRY_AUTH_FILE": "/an/auth.json", "DOCKER_HOST": "unix:///d"}
    auth_file = empty(tmp_path)

    for _ in range(2):  # for the engine, and for its containers
        variables = for_nobody(Surroundings(tmp_path, environment=home), auth_file).variables()

    found = Path(variables["XDG_CONFIG_HOME"]) / "containers"
    assert {path.name for path in found.iterdir()} == {"storage.conf", "policy.json"}
    assert variables["XDG_DATA_HOME"] == str(tmp_path / "home/.local/share")
    assert variables["DOCKER_CONFIG"] == str(auth_file.parent)
    assert variables["DOCKER_HOST"] == "unix:///d"
    assert str(tmp_path / "home") not in (variables["HOME"], variables["XDG_CONFIG_HOME"])
    assert "REGISTRY_AUTH_FILE" not in variables


@pytest.mark.anyio
async def test_nothing_of_a_stranger_is_built_where_it_would_share_the_machines_network(
    tmp_path: Path,
) -> None:
    with podman_storage(tmp_path) as around:
        probe = replace(await probe_podman(around), isolation=Isolation.CHROOT)

        with pytest.raises(EngineError, match="by chroot alone"):
            PodmanEngine(probe, around).as_nobody(empty(tmp_path))


class Newest:
    """An engine that understands all."""

    name, version, worker, reads_syntax_line = "podman", "5.6.0", None, False
    features = frozenset(Feature)

    async def inspect(self, name: str) -> str:
        return name


@pytest.mark.anyio
async def test_a_stranger_is_shown_no_image_that_lies_here_and_chooses_no_network() -> None:
    engine = StrangersEngine(Newest())  # type: ignore[arg-type]

    assert await engine.inspect("localhost/base") is None
    assert Feature.RUN_NETWORK not in engine.features
    assert Feature.RUN_MOUNT in engine.features
