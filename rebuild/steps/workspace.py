"""The folder of one run: what the steps share, their secrets as files, and what they hand on.

A step may have put a link anywhere. So nothing below the folder is opened by way of one that leads out.
"""

from __future__ import annotations

import base64
import os
import shutil
import stat
from pathlib import Path

from graph.errors import WrongUse
from rebuild.secrets.secret import Secret
from rebuild.steps.step_place import RunPlace
from rebuild.taskfile import Step, TaskFile, UnreadableOutput, read_outputs
from rebuild.taskfile.outputs import OUTPUT_BYTES_MOST, OUTPUT_FILE

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make us wait
_FOR_ANY_USER = 0o777  # containers run as whom they like; the folder around it is the run's alone
_SECRET_BYTES_MOST = 1 << 20


def furnish(place: RunPlace, taskfile: TaskFile) -> None:
    """Make what the containers mount. The workspace may be there already: it is the context."""
    root = Path(place.folder)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    outputs = [place.outputs(step) for step in taskfile.steps]
    for path in (place.workspace, place.home, *outputs):
        _shared(Path(path))
    for volume in taskfile.volumes:
        folder = Path(place.volume(volume.name))
        _shared(folder)
        for file in volume.files:
            _write(folder / file.name, base64.b64decode(file.base64.reveal()), mode=0o666)


def write_environment(place: RunPlace, step: Step, content: str) -> Path:
    """The variables that no command line may show. The engine reads the file, no container sees it."""
    path = Path(place.environment_file(step))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    _write(path, content.encode(), mode=0o600)
    return path


def step_outputs(place: RunPlace, step: Step) -> dict[str, str]:
    """What the step has written; nothing where it wrote no file. Raises `UnreadableOutput`."""
    path = Path(place.outputs(step)) / Path(OUTPUT_FILE).name
    try:
        content = _read_here(path, OUTPUT_BYTES_MOST + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableOutput(f"the outputs cannot be read: {error.strerror}") from None
    return read_outputs(content)


def forget_outputs(place: RunPlace, step: Step) -> None:
    """Before another try: what the one before wrote does not count."""
    path = Path(place.outputs(step)) / Path(OUTPUT_FILE).name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def inside(place: RunPlace, path: Path, step: Step, what: str) -> Path:
    """The path with its links followed, if it is still where the step may look."""
    real = path.resolve()
    mounted = (place.volume(mount.volume) for mount in step.mounts)
    roots = (place.workspace, place.fetched(step), *mounted)
    if not any(real.is_relative_to(Path(root).resolve()) for root in roots):
        raise WrongUse(
            f"step {step.id!r}: {what} {path.name!r} is a link that leads out of the workspace",
            hint="copy the file there instead",
        )
    return real


def secret_file(place: RunPlace, path: Path, step: Step, secret_id: str) -> Secret:
    """A file of the workspace or of a volume, for a build."""
    real = inside(place, path, step, f"the secret {secret_id}")
    try:
        content = _read_here(real, _SECRET_BYTES_MOST + 1)
    except OSError as error:
        raise WrongUse(
            f"step {step.id!r}: the file of the secret {secret_id} cannot be read: {error.strerror}",
            hint="src= is a path in the workspace or in a mounted volume",
        ) from None
    if len(content) > _SECRET_BYTES_MOST:
        raise WrongUse(
            f"step {step.id!r}: the secret {secret_id} is larger than {_SECRET_BYTES_MOST:,} bytes"
        )
    try:
        return Secret(content.decode())
    except UnicodeDecodeError:
        raise WrongUse(
            f"step {step.id!r}: the secret {secret_id} is no text", hint="encode it, with base64 say"
        ) from None


def fresh_folder(parent: Path, name: str) -> Path:
    """An empty folder, whatever an earlier try left."""
    folder = parent / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _shared(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(_FOR_ANY_USER)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)


def _read_here(path: Path, bytes_most: int) -> bytes:
    """At most that much of a regular file."""
    with os.fdopen(os.open(path, _READ), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no file")
        return file.read(bytes_most)
