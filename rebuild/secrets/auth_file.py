"""Writes logins in the format of docker's config.json, for an engine. Knows no task; sends nothing."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graph.errors import WrongUse
from graph.reference import DEFAULT_REGISTRY
from rebuild.secrets.credentials import RegistryLogin

CONFIG_BYTES_MOST = 1024 * 1024
HUB_KEY = "https://index.docker.io/v1/"


def write_auth_file(
    folder: Path, logins: Iterable[RegistryLogin], *, user_file: Path | None, engine: str
) -> Path:
    """`folder/config.json` of mode 0600: these logins, and for other registries what the user's file has.

    `engine` is its name, for podman and docker read the file differently. The caller removes the folder.
    Raises `WrongUse` where the user's file cannot be read.
    """
    config = _read(user_file) if user_file is not None else {}
    for login in logins:
        _put(config, login, engine)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "config.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(config, file)
    return path


def _put(config: dict[str, Any], login: RegistryLogin, engine: str) -> None:
    """An entry, and no helper that would be asked in its place."""
    for key in _keys(login.registry):
        config.setdefault("auths", {})[key] = _entry(login)
        config.get("credHelpers", {}).pop(key, None)
        if engine == "docker" and "credsStore" in config:
            # No helper by name is the only way past that for all; podman takes the name as it is, and fails.
            config.setdefault("credHelpers", {})[key] = ""


def _keys(registry: str) -> tuple[str, ...]:
    return (HUB_KEY, DEFAULT_REGISTRY) if registry == DEFAULT_REGISTRY else (registry,)


def _entry(login: RegistryLogin) -> dict[str, str]:
    if login.username is None:
        return {"auth": base64.b64encode(b"00000000-0000-0000-0000-000000000000:").decode(),
                "identitytoken": login.password.reveal()}  # fmt: skip
    pair = f"{login.username}:{login.password.reveal()}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            config = json.loads(file.read(CONFIG_BYTES_MOST + 1)[:CONFIG_BYTES_MOST])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WrongUse(f"{path} cannot be read: {error.strerror}", hint="make it yours to read") from None
    except (ValueError, RecursionError):
        raise WrongUse(f"{path} is not JSON", hint="repair it, or log in again") from None
    kept = ("auths", "credHelpers", "credsStore")
    if not isinstance(config, dict) or not all(isinstance(config.get(key) or {}, dict) for key in kept[:2]):
        raise WrongUse(f"{path} is not a docker config.json", hint="repair it, or log in again")
    return {key: config[key] for key in kept if config.get(key)}
