"""Reads the credentials that docker and podman keep. Knows their files; sends nothing anywhere."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY
from rebuild.secrets.secret import Secret
from tracker.registry.credential_helper import ask_helper
from tracker.registry.credentials import Credential, CredentialsError, IdentityToken, Login
from tracker.registry.settings import Clock

FILE_MOST = 1024 * 1024
HELPER_ANSWER_KEPT_S = 60.0
HUB_KEY = "https://index.docker.io/v1/"
_WHOLE = re.compile(r"[^/]*(?:/v[12])?/?")
_HUB_HOSTS = (DEFAULT_REGISTRY, "index.docker.io", "registry-1.docker.io")

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The part of one config.json that says who we are, by registry host."""

    path: Path
    stored: Mapping[str, Credential]
    helpers: Mapping[str, str]  # credHelpers: the helper's name by registry
    store: str | None  # credsStore: the helper for all others

    def helper_for(self, registry: str) -> str | None:
        return self.helpers.get(registry, self.store)


@dataclass(slots=True)
class DockerCredentials:
    """Finds credentials in these files, the first that knows the registry decides.

    Files are read again when they change. A helper's answer is kept for a minute: a login by
    hand is noticed, and a poll of a thousand tags starts one helper.
    """

    files: tuple[Path, ...]
    environment: Mapping[str, str]
    clock: Clock = field(default_factory=Clock)
    helper_timeout_s: float = 10.0
    _read: dict[Path, tuple[_Stamp, ConfigFile]] = field(default_factory=dict, repr=False)
    _answers: dict[tuple[str, str], tuple[float, Credential | None]] = field(default_factory=dict, repr=False)

    @classmethod
    def of_user(cls, environment: Mapping[str, str], *, home: Path, user_id: int) -> DockerCredentials:
        """Docker's file, then podman's, where these programs would look for them."""
        docker = Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
        runtime = environment.get("XDG_RUNTIME_DIR")
        podman = Path(runtime or f"/run/containers/{user_id}", "containers" if runtime else "", "auth.json")
        named = environment.get("REGISTRY_AUTH_FILE")
        return cls((docker, Path(named) if named else podman), environment)

    async def find(self, registry: str) -> Credential | None:
        for path in self.files:
            config = self._config(path)
            if config is None:
                continue
            credential = await self._ask(config, registry) or config.stored.get(registry)
            if credential is not None:
                return credential
        return None

    def _config(self, path: Path) -> ConfigFile | None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                known = self._read[path] = (stamp, read_config(path))
            return known[1]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CredentialsError(f"{path}: cannot be read: {error.strerror}") from None

    async def _ask(self, config: ConfigFile, registry: str) -> Credential | None:
        helper = config.helper_for(registry)
        if helper is None:
            return None
        now = self.clock.monotonic()
        asked_at, answer = self._answers.get((helper, registry), (-HELPER_ANSWER_KEPT_S, None))
        if now - asked_at < HELPER_ANSWER_KEPT_S:
            return answer
        server = HUB_KEY if registry == DEFAULT_REGISTRY else registry
        answer = await ask_helper(
            helper, server, environment=self.environment, timeout_s=self.helper_timeout_s
        )
        self._answers[helper, registry] = (now, answer)
        return answer


def read_config(path: Path) -> ConfigFile:
    """Raises `CredentialsError` naming the file and the key, never a value."""
    with path.open("rb") as file:
        content = file.read(FILE_MOST + 1)
    if len(content) > FILE_MOST:
        raise CredentialsError(f"{path}: over {FILE_MOST} bytes, which is no docker config.json")
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):
        raise CredentialsError(f"{path}: not JSON", hint="repair it, or log in again") from None
    if not isinstance(config, dict):
        raise CredentialsError(f"{path}: not a JSON object")
    auths = _object(path, config, "auths")
    helpers = _object(path, config, "credHelpers")
    # The plain name of a host counts before an address on it, wherever in the file it stands.
    keys = sorted(filter(_is_whole, auths), key=lambda key: key == _host(key))
    stored = {_host(key): found for key in keys if (found := _stored(path, key, auths[key])) is not None}
    store = config.get("credsStore") or None
    if store is not None and not isinstance(store, str):
        raise CredentialsError(f"{path}: credsStore is not a text")
    return ConfigFile(path, stored, {_host(key): str(name) for key, name in helpers.items()}, store)


def _object(path: Path, config: dict[str, Any], key: str) -> dict[str, Any]:
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise CredentialsError(f"{path}: {key} is not a JSON object")
    return found


def _is_whole(key: str) -> bool:
    """Not `quay.io/team`, which podman writes for a login to that part; docker's addresses have a scheme."""
    return "://" in key or _WHOLE.fullmatch(key) is not None


def _host(key: str) -> str:
    """`https://index.docker.io/v1/` and the Hub's other names are docker.io; the rest is its host."""
    _, _, rest = key.rpartition("://")
    host = rest.partition("/")[0]
    return DEFAULT_REGISTRY if host in _HUB_HOSTS else host


def _stored(path: Path, key: str, entry: Any) -> Credential | None:
    """None for an empty entry: docker writes one where a helper holds the credential."""
    if not isinstance(entry, dict):
        raise CredentialsError(f"{path}: auths.{key} is not a JSON object")
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return IdentityToken(Secret(token))
    if isinstance(entry.get("auth"), str) and entry["auth"]:
        return _decode(path, key, entry["auth"])
    username, password = entry.get("username"), entry.get("password")
    if isinstance(username, str) and username and isinstance(password, str):
        return Login(username, Secret(password))
    return None


def _decode(path: Path, key: str, encoded: str) -> Login:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise CredentialsError(f"{path}: auths.{key}.auth is not base64", hint="log in again") from None
    username, colon, password = text.partition(":")
    if not colon or not username:
        raise CredentialsError(f"{path}: auths.{key}.auth is not user:password", hint="log in again")
    return Login(username, Secret(password.rstrip("\0")))
