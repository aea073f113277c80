"""How a folder of this machine becomes a context that a service can have: by its path, or uploaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.where import Folder, Source
from tracker.cli.secret_options import input_for
from tracker.remote.attend import say
from tracker.remote.client import Client

_NAMES = ("Dockerfile", "Containerfile")
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class ContextThere:
    """What a request says of its context."""

    context: str
    dockerfile: str | None


def build_context(client: Client, typed: str, dockerfile: str | None) -> ContextThere:
    """Of a build: its Dockerfile comes along, wherever it lies, and no ignore rule hides it."""
    folder, about = _folder(typed), client.get("/service")
    if folder is None:
        return ContextThere(_elsewhere(client, typed, about), dockerfile)
    # As `az acr build` and docker have it: of a folder here it is a path of the shell's.
    path = Path(dockerfile).absolute() if dockerfile else None
    if about["takes_folders"]:
        return ContextThere(str(folder), str(path) if path else None)
    return _uploaded(client, folder, _dockerfile(folder, path), about)


def run_context(client: Client, typed: str, kept: tuple[str, ...]) -> str:
    """Of a task file: the folder as it is, but for what its ignore rules hide; they hide none of `kept`."""
    folder, about = _folder(typed), client.get("/service")
    if folder is None:
        return _elsewhere(client, typed, about)
    return str(folder) if about["takes_folders"] else _uploaded(client, folder, None, about, kept).context


def _folder(typed: str) -> Path | None:
    """The folder of this machine that is meant; None for every other place. Raises `WrongUse`."""
    source = Source.parse(typed)
    if not isinstance(source.place, Folder):
        return None
    if not source.place.path.is_dir():
        raise WrongUse(f"context {typed!r} is not a folder", hint="name the folder whose files are needed")
    return source.place.path.resolve()


def _elsewhere(client: Client, typed: str, about: Mapping[str, Any]) -> str:
    """What the service fetches itself; the standard input is sent to it."""
    stdin = input_for(typed)
    if stdin is None:
        return str(Source.parse(typed))
    from tracker.remote.upload import send_input

    return send_input(client, stdin, bytes_most=int(about["upload_bytes_most"]))


def _dockerfile(folder: Path, named: Path | None) -> Path:
    """The one that is named, or the folder's own. Raises `WrongUse` before anything is sent."""
    candidates = [named] if named else [folder / name for name in _NAMES]
    for path in candidates:
        if path.is_file():
            return path
    raise WrongUse(f"there is no Dockerfile at {candidates[0]}", hint="name the Dockerfile with --file")


def _uploaded(
    client: Client,
    folder: Path,
    dockerfile: Path | None,
    about: Mapping[str, Any],
    kept: tuple[str, ...] = (),
) -> ContextThere:
    from tracker.remote.upload import MIB, Progress, send_folder

    say("Packing source code into tar to upload...")
    progress: Callable[[int, int], None] = lambda done, total: None  # noqa: E731
    is_drawn = sys.stderr.isatty()
    if is_drawn:
        progress = Progress(lambda line: click.echo(f"{_CLEAR}{line}", nl=False, err=True))
    bytes_most = int(about["upload_bytes_most"])
    sent = send_folder(client, folder, dockerfile, progress, bytes_most=bytes_most, kept=kept)
    if is_drawn:
        click.echo(_CLEAR, nl=False, err=True)
    for path in sent.packed.left_out:
        say(f"warning: {path} is no file, folder or link: left out")
    say(f"Sent {sent.packed.files} files as {sent.size / MIB:.3f} MiB to {client.address}")
    return ContextThere(sent.context, sent.dockerfile)
