"""The token that a command shows a service: out of the environment or a file. Never printed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret
from tracker.state import home_of

VARIABLE = "TRACKER_TOKEN"
BYTES_MOST = 64 * 1024


def find_token(server: str, token_file: Path | None, environment: Mapping[str, str]) -> Secret | None:
    """The file that was named, else the variable, else the line of this server in the file of tokens."""
    if token_file is not None:
        return _in_file(token_file)
    if environment.get(VARIABLE):
        return _checked(environment[VARIABLE].strip(), f"${VARIABLE}")
    path = tokens_path(environment)
    return _of_server(server, path) if path.exists() else None


def tokens_path(environment: Mapping[str, str]) -> Path:
    """Lines of `URL TOKEN`."""
    home = environment.get("XDG_CONFIG_HOME") or home_of(environment) / ".config"
    return Path(home) / "tracker" / "tokens"


def _in_file(path: Path) -> Secret:
    lines = _lines(path)
    if len(lines) != 1:
        raise WrongUse(
            f"token file {path} holds {len(lines)} lines", hint="it holds the token and nothing else"
        )
    return _checked(lines[0], str(path))


def _of_server(server: str, path: Path) -> Secret | None:
    for number, line in enumerate(_lines(path), start=1):
        url, _, token = line.partition(" ")
        if not token.strip():
            raise WrongUse(f"{path}: entry {number} has no token", hint="write lines of: URL TOKEN")
        if url.rstrip("/") == server:
            return _checked(token.strip(), str(path))
    return None


def _lines(path: Path) -> list[str]:
    """Without empty lines and comments. Raises `WrongUse` where others may read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(BYTES_MOST)
    except OSError as error:
        raise WrongUse(f"token file {path}: {error.strerror}", hint="name a file that you may read") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise WrongUse(f"token file {path} may be read by others", hint=f"chmod 600 {path}")
    lines = (line.strip() for line in content.decode(errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _checked(token: str, where: str) -> Secret:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise WrongUse(f"{where} holds what is no token", hint="'tracker token create' prints one")
    return Secret(token)
