"""Hands secrets to a build, for `RUN --mount=type=secret`, and clears up after it. Starts nothing.

An engine is given files: names of files are all that its command line shows. Its environment would hold the
values for as long as the build takes, and a build argument stays in the image for ever.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rebuild.engines.engine import EngineError
from rebuild.secrets.secret import Secret

_COPIES = "*-containers/*/userdata/secrets/*"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def secret_flags(folder: Path, secrets: Mapping[str, Secret]) -> list[str]:
    """`--secret` for each, with its value in a file of mode 0600 in `folder`, which the caller removes."""
    if secrets and "," in str(folder):
        raise EngineError(
            f"{folder} has a comma, at which engines end the name of a secret's file",
            hint="give tracker a state folder without one",
        )
    return [f"--secret=id={name},src={_write(folder, name, secret)}" for name, secret in secrets.items()]


def argument_names(content: bytes) -> frozenset[str]:
    """The names that a Dockerfile declares with ARG, roughly: for advice, not for decisions."""
    text = re.sub(r"\\\s*\n", " ", content.decode(errors="replace"))
    lines = re.findall(r"^\s*ARG\s+(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return frozenset(word.partition("=")[0] for line in lines for word in line.split())


def advice(content: bytes, secrets: Iterable[str]) -> Iterator[str]:
    """What a Dockerfile has to say differently for its secrets to reach it, a line each."""
    declared = argument_names(content)
    for name in secrets:
        if f"id={name}".encode() not in content:
            yield (
                f"warning: no RUN takes the secret {name}: write RUN --mount=type=secret,id={name} …, "
                f"and read /run/secrets/{name} in it"
            )
        if name in declared:
            yield (
                f"warning: ARG {name} stays empty: {name} is a secret, and an argument would stay in the "
                "image's history"
            )


def copies(storage: Path) -> list[Path]:
    """Where buildah puts secrets in its storage while a build runs; a killed build leaves them there."""
    return [path for path in storage.glob(_COPIES) if path.is_file()]


def remove_copies(paths: Iterable[Path], of: Iterable[Secret] | None = None) -> None:
    """Remove those that hold one of these secrets; None: all."""
    values = None if of is None else {secret.reveal().encode() for secret in of}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            if values is None or path.read_bytes() in values:
                path.unlink()


def _write(folder: Path, name: str, secret: Secret) -> Path:
    if not _ID.fullmatch(name):
        raise EngineError(f"secret id {name[:80]!r} is not made of letters, digits, '_', '-' and '.'")
    path = folder / f"secret-{name}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret.reveal().encode())
    return path
