"""A folder as a stream: what of it is sent, in which order, as a gzip tar. Knows nothing of its receiver."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from isal import igzip

from graph.record import dataclass
from rebuild.context.dockerfile_copy import name_of_copy
from rebuild.context.fault import ContextError
from rebuild.context.ignore import Verdict, read_rules
from rebuild.context.ignore_file import ALWAYS_SENT, ignore_file

GZIP_LEVEL = 2  # of ISA-L's 0 to 3
_BLOCK_BYTES = 1024 * 1024
_FORM: dict[str, Any] = {
    "format": tarfile.GNU_FORMAT,
    "encoding": "utf-8",
    "copybufsize": _BLOCK_BYTES,
}

Progress = Callable[[int, int], None]  # bytes of files read so far, and of all


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes | None: ...


class Sink(Protocol):
    """Where the stream goes, piece by piece."""

    def write(self, piece: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Something of the folder that is sent, by its path in it."""

    path: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def can_be_sent(self) -> bool:
        mode = self.status.st_mode
        return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)

    @property
    def size(self) -> int:
        return self.status.st_size if stat.S_ISREG(self.status.st_mode) else 0


@dataclass(frozen=True, slots=True)
class Listing:
    """What is sent of a folder, sorted, each folder before what is in it; and what cannot be."""

    entries: tuple[Entry, ...]
    left_out: tuple[str, ...]  # sockets, pipes and devices: no context holds them

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Packed:
    """What was sent. `dockerfile` is the name of its second copy, which no ignore rule hides."""

    files: int
    size: int
    dockerfile: str | None
    left_out: tuple[str, ...]


def pack(
    folder: Path,
    dockerfile: Path | None,
    *,
    into: Sink,
    kept: Iterable[str] = (),
    progress: Progress = lambda done, total: None,
) -> Packed:
    """Write the folder as a gzip tar: equal content gives equal bytes, whoever owns it, wherever it lies.

    The Dockerfile, which may lie outside, goes in once more as `<hex>_<name>`, and with it the ignore
    file that is its own. `kept` are files of the folder that no ignore rule hides. Raises `ContextError`
    where something cannot be read.
    """
    listing = list_folder(folder, dockerfile, kept)
    extra = _extra_files(folder, dockerfile)
    count = _Count(listing.size + sum(len(content) for content in extra.values()), progress)
    with (
        _gzip(into) as compressed,
        io.BufferedWriter(compressed, _BLOCK_BYTES) as buffered,
        tarfile.open(fileobj=buffered, mode="w", **_FORM) as tar,
    ):
        for entry in listing.entries:
            _add(tar, folder, entry, count)
        for name, content in extra.items():
            member = _member(name, 0o644, 0)
            member.size = len(content)
            tar.addfile(member, _Counted(io.BytesIO(content), count))
    return Packed(len(listing.entries), count.done, next(iter(extra), None), listing.left_out)


def _gzip(into: Sink) -> Any:
    return igzip.IGzipFile(fileobj=into, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)  # type: ignore[no-untyped-call]


def list_folder(folder: Path, dockerfile: Path | None, kept: Iterable[str] = ()) -> Listing:
    """What the ignore rules leave of a folder. A link is a link; none is followed.

    Where no Dockerfile is named, any may be meant: the usual ones are sent, as docker sends them.
    """
    if not folder.is_dir():
        raise ContextError(f"context {folder} is not a folder")
    rules = read_rules(folder, dockerfile, kept=kept if dockerfile else (*ALWAYS_SENT, *kept))
    sent: list[Entry] = []
    left_out: list[str] = []
    waiting: dict[str, Entry] = {}  # folders that are sent only if something in them is
    todo: list[tuple[Entry, Verdict | None]] = [(entry, None) for entry in _scan(folder, "")]
    while todo:
        entry, verdict_above = todo.pop()
        verdict = rules.judge(entry.path, verdict_above)
        if entry.is_folder:
            if verdict.ignored and not rules.may_except_below(entry.path):
                continue
            todo += [(inner, verdict) for inner in _scan(folder, entry.path)]
        if verdict.ignored:
            waiting[entry.path] = entry
        elif entry.can_be_sent:
            sent += [*_parents(entry.path, waiting), entry]
        else:
            left_out.append(entry.path)
    return Listing(tuple(sent), tuple(left_out))


def _parents(path: str, waiting: dict[str, Entry]) -> Iterator[Entry]:
    at = path.find("/")
    while at > 0:
        entry = waiting.pop(path[:at], None)
        if entry is not None:
            yield entry
        at = path.find("/", at + 1)


def _scan(root: Path, folder: str) -> list[Entry]:
    """What is in a folder, the last name first: it is taken from the end."""
    try:
        with os.scandir(root / folder) as found:
            inner = sorted(found, key=lambda entry: entry.name, reverse=True)
        prefix = f"{folder}/" if folder else ""
        return [Entry(f"{prefix}{entry.name}", entry.stat(follow_symlinks=False)) for entry in inner]
    except OSError as error:
        raise _unreadable(root / folder, error) from None


def _add(tar: tarfile.TarFile, root: Path, entry: Entry, count: _Count) -> None:
    path = root / entry.path
    member = _member(entry.path, entry.status.st_mode, int(entry.status.st_mtime))
    try:
        if entry.is_folder:
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
        elif stat.S_ISLNK(entry.status.st_mode):
            member.type = tarfile.SYMTYPE
            member.linkname = str(path.readlink())
            tar.addfile(member)
        else:
            with open(path, "rb", buffering=0, opener=_no_link) as file:
                member.size = os.fstat(file.fileno()).st_size
                tar.addfile(member, _Counted(file, count))
    except OSError as error:
        raise _unreadable(path, error) from None


def _no_link(path: str, flags: int) -> int:
    # A file may have become a link, or a pipe that never answers, since it was listed.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _member(name: str, mode: int, mtime: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(mode) & 0o777
    member.mtime = mtime
    return member


def _extra_files(folder: Path, dockerfile: Path | None) -> dict[str, bytes]:
    """The second copy of the Dockerfile, and of its own ignore file where it has one."""
    if dockerfile is None:
        return {}
    content = _read(dockerfile)
    name = name_of_copy(content, dockerfile.name)
    ignore = ignore_file(folder, dockerfile)
    if ignore is None or ignore == folder / ".dockerignore":
        return {name: content}
    return {name: content, f"{name}.dockerignore": _read(ignore)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ContextError:
    if error.strerror is None:  # tarfile's own: the file ended before the size that it had when it was opened
        return ContextError(f"{path} changed while it was packed", hint="wait until nothing writes to it")
    hint = "name it in .dockerignore to leave it out"
    return ContextError(f"{path} cannot be packed: {error.strerror}", hint=hint)


class _Count:
    """How much has been read, told to whoever wants to know."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done = 0
        self._total = total
        self._progress = progress

    def add(self, size: int) -> None:
        self.done += size
        self._progress(self.done, max(self.done, self._total))


class _Counted:
    """A file that counts what is read of it."""

    def __init__(self, file: _Readable, count: _Count) -> None:
        self._file = file
        self._count = count

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(size) or b""
        self._count.add(len(piece))
        return piece
