"""Logins of a task in the file that engines read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from graph.errors import WrongUse
from rebuild.secrets.auth_file import write_auth_file
from rebuild.secrets.credentials import RegistryLogin
from rebuild.secrets.secret import Secret
from tracker.registry import DockerCredentials, IdentityToken, Login

OWN = RegistryLogin("ghcr.io", "robot", Secret("p:w"))


def users(folder: Path, content: Any) -> Path:
    path = folder / "users.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def found(path: Path, registry: str) -> object:
    return asyncio.run(DockerCredentials((path,), {"PATH": ""}).find(registry))


def test_the_file_is_for_our_eyes_alone_and_read_back(tmp_path: Path) -> None:
    path = write_auth_file(tmp_path / "auth", [OWN], user_file=None, engine="podman")

    assert (path.name, path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (
        "config.json",
        0o600,
        0o700,
    )
    assert found(path, "ghcr.io") == Login("robot", Secret("p:w"))


def test_docker_hub_is_found_under_both_of_its_names(tmp_path: Path) -> None:
    hub = RegistryLogin("docker.io", "robot", Secret("pw"))

    path = write_auth_file(tmp_path / "auth", [hub], user_file=None, engine="docker")

    assert json.loads(path.read_text())["auths"].keys() == {"https://index.docker.io/v1/", "docker.io"}


def test_a_login_without_a_name_is_an_identity_token(tmp_path: Path) -> None:
    login = RegistryLogin("ghcr.io", None, Secret("token"))

    path = write_auth_file(tmp_path / "auth", [login], user_file=None, engine="podman")

    assert found(path, "ghcr.io") == IdentityToken(Secret("token"))


def test_the_tasks_own_come_before_the_users_and_the_others_stay(tmp_path: Path) -> None:
    mine = {
        "auths": {"ghcr.io": {"auth": "eDp4"}, "quay.io": {"auth": "dTpw"}},
        "credHelpers": {"ghcr.io": "box"},
        "HttpHeaders": {"X": "y"},
    }

    path = write_auth_file(tmp_path / "auth", [OWN], user_file=users(tmp_path, mine), engine="podman")

    assert found(path, "ghcr.io") == Login("robot", Secret("p:w"))
    assert found(path, "quay.io") == Login("u", Secret("p"))
    assert "HttpHeaders" not in json.loads(path.read_text())


@pytest.mark.parametrize(("engine", "helpers"), [("docker", {"ghcr.io": ""}), ("podman", None)])
def test_a_store_for_all_is_passed_by_as_each_engine_wants_it(
    tmp_path: Path, engine: str, helpers: dict[str, str] | None
) -> None:
    mine = users(tmp_path, {"credsStore": "desktop"})

    path = write_auth_file(tmp_path / "auth", [OWN], user_file=mine, engine=engine)

    assert json.loads(path.read_text()).get("credHelpers") == helpers


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    path = write_auth_file(tmp_path / "auth", [OWN], user_file=tmp_path / "none", engine="podman")

    assert json.loads(path.read_text()).keys() == {"auths"}


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": 1}', "[" * 100_000])
def test_a_file_of_the_user_that_is_broken_is_named(tmp_path: Path, content: str) -> None:
    with pytest.raises(WrongUse, match=r"users\.json is not"):
        write_auth_file(tmp_path / "auth", [OWN], user_file=users(tmp_path, content), engine="podman")
