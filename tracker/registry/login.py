"""Tries a user name and a password at a registry, and keeps them where docker does. Asks nobody for them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graph.reference import DEFAULT_REGISTRY
from tracker.registry.answers import error_of
from tracker.registry.budget import Budget
from tracker.registry.challenge import Basic, Bearer, read_challenges
from tracker.registry.credential_helper import store_in_helper
from tracker.registry.credentials import CredentialsError, CredentialsRejected, Login, basic_header
from tracker.registry.docker_config import HUB_KEY, read_config
from tracker.registry.hosts import base_url, check_realm
from tracker.registry.settings import Clock, Limits, RegistrySettings
from tracker.registry.token_server import read_grant, token_request
from tracker.registry.transport import few_questions
from tracker.registry.wire import Answer, Asked, Wire

_SUBJECT = "login"


async def try_login(
    registry: str, login: Login, settings: RegistrySettings, *, proxies: Mapping[str, str]
) -> bool:
    """True if the registry takes the login, False if it asks nobody who they are.

    Raises `CredentialsRejected`, or what else a registry can do to a question.
    """
    clock = Clock()
    budget = Budget(registry, None, clock)
    wire = Wire(
        registry,
        settings,
        budget=lambda: budget,
        proxies=proxies,
        transport=few_questions,
        clock=clock,
        on_request=lambda seen: None,
    )
    try:
        return await _try(registry, login, settings, wire, clock)
    finally:
        await wire.close()


async def _try(registry: str, login: Login, settings: RegistrySettings, wire: Wire, clock: Clock) -> bool:
    limits = Limits()
    ping = Asked("GET", f"{base_url(registry, settings)}/v2/", _SUBJECT, limits.manifest)
    asked = await wire.send(ping)
    if asked.status == 200:
        return False
    challenges = read_challenges(asked.headers.get_list("www-authenticate"))
    if asked.status != 401 or not challenges:
        raise error_of(registry, _SUBJECT, asked, pause_s=None)
    match challenges[0]:
        case Basic():
            headers = {"authorization": basic_header(login)}
            _check(registry, await wire.send(Asked("GET", ping.url, _SUBJECT, ping.limit, headers)))
        case Bearer(realm=realm, service=service):
            url = check_realm(registry, realm, settings)
            answer = await wire.send(token_request(url, service, (), login, limit=limits.token))
            _check(registry, answer)
            read_grant(registry, answer, clock.now())
    return True


def _check(registry: str, answer: Answer) -> None:
    if answer.status in (401, 403):
        raise CredentialsRejected(
            f"{registry}: it does not take this user name and password",
            hint="many registries want a token in the place of the password",
        )
    if answer.status != 200:
        raise error_of(registry, _SUBJECT, answer, pause_s=None)


async def keep_login(path: Path, registry: str, login: Login, *, environment: Mapping[str, str]) -> str:
    """Keep it in the helper that this config.json names, else in the file; answers where. Raises
    `CredentialsError`."""
    helper = _helper_for(path, registry)
    server = HUB_KEY if registry == DEFAULT_REGISTRY else registry
    if helper is not None:
        await store_in_helper(helper, server, login, environment=environment)
        _write(path, server, {})  # docker's sign that a helper has it
        return f"docker-credential-{helper}"
    pair = f"{login.username}:{login.password.reveal()}"
    _write(path, server, {"auth": base64.b64encode(pair.encode()).decode()})
    return str(path)


def _helper_for(path: Path, registry: str) -> str | None:
    try:
        return read_config(path).helper_for(registry)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read: {error.strerror}") from None


def _write(path: Path, server: str, entry: dict[str, str]) -> None:
    """All else in the file stays, and others never see half of it."""
    try:
        path = path.resolve()  # it may be a link into somebody's collection of such files
        config: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
        config.setdefault("auths", {})[server] = entry
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(config, file, indent="\t")
        temporary.replace(path)
    except OSError as error:
        raise CredentialsError(
            f"{path}: cannot be written: {error.strerror}", hint="make it yours, or set DOCKER_CONFIG"
        ) from None
