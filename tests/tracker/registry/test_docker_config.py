"""Credentials out of docker's and podman's files and out of real helper programs."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rebuild.secrets.secret import Secret
from tests.tracker.registry.fake_clock import FakeClock
from tracker.registry import CredentialsError, DockerCredentials, IdentityToken, Login

pytestmark = pytest.mark.anyio


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def login(user: str, password: str) -> Login:
    return Login(user, Secret(password))


def stored_in(folder: Path, content: Any, *, helpers: Path | None = None) -> DockerCredentials:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "config.json").write_text(text)
    path = f"{helpers or folder}:{os.environ['PATH']}"
    return DockerCredentials((folder / "config.json",), {"PATH": path}, FakeClock().clock())


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://ghcr.io/v2/", "ghcr.io"),
        ("localhost:5000", "localhost:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
async def test_a_registry_is_found_under_every_key_that_programs_write(
    tmp_path: Path, key: str, registry: str
) -> None:
    credentials = stored_in(tmp_path, {"auths": {key: auth("u", "p:with:colons")}})

    assert await credentials.find(registry) == login("u", "p:with:colons")


async def test_a_login_to_a_part_of_a_registry_is_not_taken_for_one_to_all_of_it(tmp_path: Path) -> None:
    auths = {
        "quay.io": auth("all", "p"),
        "quay.io/team": auth("part", "p"),
        "ghcr.io/team": auth("part", "p"),
    }
    credentials = stored_in(tmp_path, {"auths": auths})

    assert await credentials.find("quay.io") == login("all", "p")
    assert await credentials.find("ghcr.io") is None


async def test_the_name_of_a_host_counts_before_an_address_on_it(tmp_path: Path) -> None:
    auths = {"ghcr.io": auth("named", "p"), "https://ghcr.io/v1/": auth("old", "p")}
    credentials = stored_in(tmp_path, {"auths": auths})

    assert await credentials.find("ghcr.io") == login("named", "p")


async def test_another_registry_gets_nothing(tmp_path: Path) -> None:
    credentials = stored_in(tmp_path, {"auths": {"ghcr.io": auth("u", "p")}})

    assert await credentials.find("ghcr.io.example.com") is None
    assert await credentials.find("ghcr.io:443") is None


async def test_an_identity_token_goes_before_a_password(tmp_path: Path) -> None:
    entry = {**auth("u", ""), "identitytoken": "refresh"}
    credentials = stored_in(tmp_path, {"auths": {"acr.example.com": entry}})

    assert await credentials.find("acr.example.com") == IdentityToken(Secret("refresh"))


async def test_nothing_configured_means_no_credential(tmp_path: Path) -> None:
    credentials = DockerCredentials((tmp_path / "missing" / "config.json",), {})

    assert await credentials.find("ghcr.io") is None


async def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    credentials = stored_in(tmp_path, {})
    assert await credentials.find("ghcr.io") is None

    (tmp_path / "config.json").write_text(json.dumps({"auths": {"ghcr.io": auth("u", "p")}}))

    assert await credentials.find("ghcr.io") == login("u", "p")


async def test_a_helper_of_a_registry_goes_before_the_store_and_the_file(tmp_path: Path) -> None:
    helper(tmp_path, "one", 'echo "{\\"Username\\": \\"$(cat)\\", \\"Secret\\": \\"from-one\\"}"')
    config = {"credHelpers": {"ghcr.io": "one"}, "credsStore": "none", "auths": {"ghcr.io": auth("u", "p")}}

    assert await stored_in(tmp_path, config).find("ghcr.io") == login("ghcr.io", "from-one")


async def test_docker_hub_is_asked_for_by_its_own_key(tmp_path: Path) -> None:
    helper(tmp_path, "all", 'echo "{\\"Username\\": \\"$(cat)\\", \\"Secret\\": \\"s\\"}"')

    found = await stored_in(tmp_path, {"credsStore": "all"}).find("docker.io")

    assert found == login("https://index.docker.io/v1/", "s")


async def test_a_helper_hands_out_identity_tokens_too(tmp_path: Path) -> None:
    helper(tmp_path, "all", """echo '{"Username": "<token>", "Secret": "refresh"}'""")

    found = await stored_in(tmp_path, {"credsStore": "all"}).find("ghcr.io")

    assert found == IdentityToken(Secret("refresh"))


async def test_a_helper_that_keeps_nothing_leaves_it_to_the_file(tmp_path: Path) -> None:
    helper(tmp_path, "all", 'echo "credentials not found in native keychain"; exit 1')
    config = {"credsStore": "all", "auths": {"ghcr.io": auth("u", "p")}}

    assert await stored_in(tmp_path, config).find("ghcr.io") == login("u", "p")


async def test_a_helper_is_asked_once_a_minute(tmp_path: Path) -> None:
    helper(tmp_path, "all", f"""echo x >> {tmp_path}/calls; echo '{{"Username": "u", "Secret": "s"}}'""")
    (tmp_path / "config.json").write_text('{"credsStore": "all"}')
    time = FakeClock()
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    credentials = DockerCredentials((tmp_path / "config.json",), path, time.clock())

    for _ in range(3):
        await credentials.find("ghcr.io")
    time.passed_s = 61
    await credentials.find("ghcr.io")

    assert (tmp_path / "calls").read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("echo hunter2; exit 3", "exit code 3"),
        ("echo hunter2", "not JSON"),
        ('echo \'{"Username": "u"}\'', "not JSON with"),
        ("echo '[]'", "not JSON with"),
        ("exec sleep 60", "no answer within 0.3 s"),
        ("exec yes hunter2", "bytes of output"),
    ],
)
async def test_a_helper_that_misbehaves_is_named_and_its_words_stay_hidden(
    tmp_path: Path, script: str, rule: str
) -> None:
    helper(tmp_path, "bad", script)
    credentials = stored_in(tmp_path, {"credsStore": "bad"})
    credentials.helper_timeout_s = 0.3 if "sleep" in script else 10

    with pytest.raises(CredentialsError, match=rule) as error:
        await credentials.find("ghcr.io")

    assert "docker-credential-bad" in str(error.value)
    assert "hunter2" not in f"{error.value}{error.value.hint}"


@pytest.mark.parametrize("name", ["../../bin/sh", "a;b", "", "-x"])
async def test_a_helper_has_a_programs_name(tmp_path: Path, name: str) -> None:
    credentials = stored_in(tmp_path, {"credHelpers": {"ghcr.io": name}})

    with pytest.raises(CredentialsError, match="not a program's name"):
        await credentials.find("ghcr.io")


async def test_a_missing_helper_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="docker-credential-desktop is configured") as error:
        await stored_in(tmp_path, {"credsStore": "desktop"}).find("ghcr.io")

    assert error.value.hint is not None and "credsStore" in error.value.hint


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        (" " * 2_000_000, "over 1048576 bytes"),
        ({"auths": []}, None),
        ({"auths": [1]}, "auths is not a JSON object"),
        ({"auths": {"ghcr.io": "x"}}, "auths.ghcr.io is not a JSON object"),
        ({"auths": {"ghcr.io": {"auth": "hunter2!"}}}, "auths.ghcr.io.auth is not base64"),
        ({"auths": {"ghcr.io": {"auth": "aHVudGVyMg=="}}}, "not user:password"),
        ({"credsStore": 7}, "credsStore is not a text"),
    ],
)
async def test_a_broken_file_is_named_with_its_key_and_no_value(
    tmp_path: Path, content: Any, rule: str | None
) -> None:
    credentials = stored_in(tmp_path, content)
    if rule is None:
        assert await credentials.find("ghcr.io") is None
        return

    with pytest.raises(CredentialsError, match=rule) as error:
        await credentials.find("ghcr.io")

    assert str(tmp_path / "config.json") in str(error.value) and "hunter2" not in str(error.value)


def test_docker_config_and_the_users_folders_say_where_the_files_are(tmp_path: Path) -> None:
    def files(environment: dict[str, str]) -> tuple[Path, ...]:
        return DockerCredentials.of_user(environment, home=Path("/home/me"), user_id=7).files

    assert files({}) == (Path("/home/me/.docker/config.json"), Path("/run/containers/7/auth.json"))
    assert files({"DOCKER_CONFIG": "/d", "XDG_RUNTIME_DIR": "/run/user/7"}) == (
        Path("/d/config.json"),
        Path("/run/user/7/containers/auth.json"),
    )
    assert files({"REGISTRY_AUTH_FILE": "/a.json"})[1] == Path("/a.json")


async def test_podmans_file_is_read_where_dockers_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "docker.json").write_text(json.dumps({"auths": {"ghcr.io": {}}}))
    (tmp_path / "podman.json").write_text(json.dumps({"auths": {"ghcr.io": auth("u", "p")}}))
    credentials = DockerCredentials((tmp_path / "docker.json", tmp_path / "podman.json"), {})

    assert await credentials.find("ghcr.io") == login("u", "p")
