"""`tracker login` against real registries: a login is tried, then kept where docker keeps it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from pathlib import Path

import pytest

from rebuild.secrets.secret import Secret
from tests.real_registry import RealRegistry
from tests.tracker.cli.conftest import Answer, Tracker
from tests.tracker.registry.servers import PASSWORD, USER, registry_with_basic, registry_with_tokens
from tracker.registry import DockerCredentials, Login

KEPT = Login(USER, Secret(PASSWORD))


class LogIn:
    """Carries the command out with a password on its standard input."""

    def __init__(self, tracker: Tracker, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._tracker, self._monkeypatch = tracker, monkeypatch
        self.config = folder / "docker/config.json"
        monkeypatch.setenv("DOCKER_CONFIG", str(self.config.parent))

    def __call__(self, registry: str, password: str = PASSWORD, user: str = USER) -> Answer:
        stdin = io.TextIOWrapper(io.BytesIO(f"{password}\n".encode()))
        self._monkeypatch.setattr(sys, "stdin", stdin)
        return self._tracker("login", registry, "-u", user, "--password-stdin")

    def found(self, registry: str) -> object:
        credentials = DockerCredentials((self.config,), os.environ)
        return asyncio.run(credentials.find(registry))


@pytest.fixture
def log_in(tracker: Tracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LogIn:
    return LogIn(tracker, monkeypatch, tmp_path)


def test_a_login_that_the_registry_takes_is_kept_for_our_eyes_alone(log_in: LogIn, tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "r") as registry:
        answer = log_in(registry.host)

    assert (answer.status, answer.out) == (0, "")
    assert answer.err == f"logged in to {registry.host} as {USER}; kept in {log_in.config}\n"
    assert log_in.found(registry.host) == KEPT
    assert log_in.config.stat().st_mode & 0o777 == 0o600


def test_a_wrong_password_is_refused_and_not_kept(log_in: LogIn, tmp_path: Path) -> None:
    with registry_with_basic(tmp_path / "r") as registry:
        answer = log_in(registry.host, "guessed")

    assert answer.status == 1
    assert "does not take this user name and password" in answer.err
    assert "guessed" not in answer.err
    assert not log_in.config.exists()


def test_a_registry_with_a_token_server_is_asked_there(log_in: LogIn, tmp_path: Path) -> None:
    with registry_with_tokens(tmp_path / "r") as guarded:
        guarded.tokens.users[USER] = PASSWORD

        right, wrong = log_in(guarded.registry.host), log_in(guarded.registry.host, "guessed")

    assert (right.status, wrong.status) == (0, 1)
    assert guarded.tokens.requests[0].scopes == ()
    assert log_in.found(guarded.registry.host) == KEPT


def test_a_registry_that_asks_nobody_gets_a_warning(log_in: LogIn, registry: RealRegistry) -> None:
    answer = log_in(f"http://{registry.host}/")

    assert answer.status == 0
    assert answer.err.startswith(f"warning: {registry.host} asks nobody who they are")


def test_all_else_in_the_file_stays(log_in: LogIn, registry: RealRegistry) -> None:
    log_in.config.parent.mkdir()
    log_in.config.write_text(json.dumps({"auths": {"ghcr.io": {"auth": "dTpw"}}, "detachKeys": "ctrl-x"}))

    log_in(registry.host)

    config = json.loads(log_in.config.read_text())
    assert config["detachKeys"] == "ctrl-x"
    assert config["auths"].keys() == {"ghcr.io", registry.host}


def test_a_helper_keeps_it_where_one_is_configured(
    log_in: LogIn, registry: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-box"
    helper.write_text(f'#!/bin/sh\n[ "$1" = store ] && cat > {tmp_path}/box || cat {tmp_path}/box\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    log_in.config.parent.mkdir()
    log_in.config.write_text('{"credsStore": "box"}')

    answer = log_in(registry.host)

    assert answer.err.endswith("kept in docker-credential-box\n")
    assert json.loads((tmp_path / "box").read_text()) == {
        "ServerURL": registry.host,
        "Username": USER,
        "Secret": PASSWORD,
    }
    assert PASSWORD not in log_in.config.read_text()
    assert log_in.found(registry.host) == KEPT


def test_a_helper_that_fails_is_an_error(
    log_in: LogIn, registry: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-box"
    helper.write_text("#!/bin/sh\ncat >&2; exit 1\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    log_in.config.parent.mkdir()
    log_in.config.write_text('{"credsStore": "box"}')

    answer = log_in(registry.host)

    assert answer.status == 1
    assert "docker-credential-box: exit code 1" in answer.err
    assert PASSWORD not in answer.err


@pytest.mark.parametrize(("registry", "password", "user", "said"), [
    ("not a registry", "x", "u", "is not a registry"),
    ("localhost:1", "", "u", "the password is empty"),
    ("localhost:1", "x", "u:p", "holds ':'"),
    ("localhost:1", "x", "", "needs a user name"),
])  # fmt: skip
def test_what_cannot_be_a_login_is_refused(
    log_in: LogIn, registry: str, password: str, user: str, said: str
) -> None:
    answer = log_in(registry, password, user)

    assert (answer.status, said in answer.err, "hint: " in answer.err) == (2, True, True)


def test_a_registry_that_is_away_is_an_error_and_nothing_is_kept(log_in: LogIn) -> None:
    answer = log_in("localhost:1")

    assert answer.status == 1
    assert not log_in.config.exists()
