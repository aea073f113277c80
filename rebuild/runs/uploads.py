"""Contexts that callers have sent: files in one folder, bounded, kept for a while. Unpacks none of them."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Container
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from graph.errors import TrackerError
from graph.record import dataclass

MIB = 1024 * 1024
PREFIX = "upload:"  # of a context that is one of these
_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = ".tar.gz"
_PART = ".part"


class UploadRefused(TrackerError):
    """The upload breaks a rule; nothing of it is kept."""


class UploadTooLarge(UploadRefused):
    """It is larger than one upload may be."""


class UploadsFull(UploadRefused):
    """There is no room left for it now."""


class UnknownUpload(TrackerError):
    """There is none of that name, or it has expired."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What uploads may take of the disk."""

    bytes_most: int = 2048 * MIB
    total_bytes_most: int = 20480 * MIB


@dataclass(frozen=True, slots=True)
class Upload:
    """One context that has come whole."""

    upload_id: str
    size: int
    sha256: str  # 64 hexadecimal digits

    @property
    def context(self) -> str:
        """The text that names it as the context of a run."""
        return f"{PREFIX}{self.upload_id}"


def upload_id_of(context: str) -> str | None:
    """The id in the text of a context; None where it names none."""
    name = context.removeprefix(PREFIX)
    return name if context.startswith(PREFIX) and _ID.fullmatch(name) else None


def upload_path(folder: Path, upload_id: str) -> Path:
    """The file of an upload. Raises `UnknownUpload`; an id that is none leads nowhere."""
    path = folder / f"{upload_id}{_SUFFIX}"
    if not _ID.fullmatch(upload_id) or not path.is_file():
        raise UnknownUpload(
            f"there is no uploaded context {upload_id[:40]!r}", hint="it may have expired: upload it again"
        )
    return path


class Uploads:
    """The folder, owned by one process. What an earlier process left half is cleared at once."""

    def __init__(
        self,
        folder: Path,
        limits: UploadLimits,
        *,
        make_id: Callable[[], str] = lambda: os.urandom(16).hex(),
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._make_id = make_id
        self._counting = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for part in folder.glob(f"*{_PART}"):
            part.unlink()
        self._held = sum(path.stat().st_size for path in folder.glob(f"*{_SUFFIX}"))

    @property
    def bytes_most(self) -> int:
        return self._limits.bytes_most

    def begin(self) -> Incoming:
        """Take a new one; use it as a context manager."""
        return Incoming(self, self._folder, self._make_id())

    def expire(self, *, before: datetime, in_use: Container[str]) -> int:
        """Delete those that came before that moment and that no run needs; answers how many."""
        old = [
            path
            for path in self._folder.glob(f"*{_SUFFIX}")
            if path.name.removesuffix(_SUFFIX) not in in_use and path.stat().st_mtime < before.timestamp()
        ]
        for path in old:
            self.give_back(path.stat().st_size)
            path.unlink()
        return len(old)

    def take(self, size: int, so_far: int) -> None:
        """Count bytes that are about to be written; `so_far` are those of the same upload before them."""
        if so_far + size > self._limits.bytes_most:
            raise too_large(self._limits.bytes_most)
        with self._counting:
            if self._held + size > self._limits.total_bytes_most:
                raise UploadsFull(
                    f"uploaded contexts fill the {self._limits.total_bytes_most // MIB} MiB they may have",
                    hint="try again later; the operator may raise uploads.total_megabytes_most",
                )
            self._held += size

    def give_back(self, size: int) -> None:
        with self._counting:
            self._held -= size


def too_large(bytes_most: int) -> UploadTooLarge:
    return UploadTooLarge(
        f"a context has at most {bytes_most // MIB} MiB, packed",
        hint="leave out with .dockerignore what the build does not need; "
        "the operator may raise uploads.megabytes_most",
    )


class Incoming:
    """One upload under way: a file that nobody sees before it is whole. Its methods block."""

    def __init__(self, uploads: Uploads, folder: Path, upload_id: str) -> None:
        self._uploads = uploads
        self._id = upload_id
        self._part = folder / f"{upload_id}{_PART}"
        self._whole = folder / f"{upload_id}{_SUFFIX}"
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Incoming:
        self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        return self

    def __exit__(self, *raised: object) -> None:
        """What did not become whole is gone."""
        assert self._file is not None
        self._file.close()
        if self._part.exists():
            self._part.unlink()
            self._uploads.give_back(self._size)

    def write(self, piece: bytes) -> None:
        """Append. Raises `UploadTooLarge` and `UploadsFull`, the latter also for a disk that is full."""
        assert self._file is not None
        self._uploads.take(len(piece), self._size)
        self._size += len(piece)
        self._hash.update(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            raise _unwritable(error) from error

    def finish(self, *, sha256: str | None = None) -> Upload:
        """Make it one of the uploads. Raises `UploadRefused` where it is empty, or not what was announced."""
        assert self._file is not None
        came = self._hash.hexdigest()
        if not self._size:
            raise UploadRefused("the upload is empty", hint="send the context as a tar.gz in the body")
        if sha256 is not None and sha256 != came:
            raise UploadRefused(
                f"what came has the digest sha256:{came}, and sha256:{sha256} was announced",
                hint="something on the way changed it: upload it again",
            )
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._part.rename(self._whole)
        except OSError as error:
            raise _unwritable(error) from error
        return Upload(self._id, self._size, came)


def _unwritable(error: OSError) -> UploadsFull:
    return UploadsFull(f"the upload cannot be stored: {error.strerror}", hint="try again later")
