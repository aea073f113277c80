"""Writes what a tar holds into a folder, and nothing anywhere else, whoever made the tar.

Every member is reached from the folder's own descriptor, one part of its name after the other, and no
part may be a link: so nothing is ever written through one. Owners, special bits and devices stay behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from rebuild.context.archive import HEAD_BYTES, PIECE_BYTES, TarStream, open_tar
from rebuild.context.fault import ContextError, Unsafe
from rebuild.context.limits import Meter

_PART_BYTES_MOST = 255
_TARGET_BYTES_MOST = 4095
_TIME_MOST = 2**33  # the year 2242; what a tar says beyond that is no time
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Links(Enum):
    """Where symbolic links may point. None is ever followed here; others may."""

    INSIDE = "inside"  # only into the folder: for archives that strangers made
    ANYWHERE = "anywhere"  # as they are: for what somebody sends of a folder of their own


def unpack(archive: BinaryIO, into: Path, meter: Meter, *, links: Links, head: bytes = b"") -> None:
    """Unpack a tar, compressed or not, into an empty folder. It blocks: call it in a thread.

    `head` is what has been read of the archive. Raises `Unsafe` for members that no context may hold,
    `TooLarge` beyond the limits and `ContextError` for what is no tar; the folder is then half full.
    """
    while len(head) < HEAD_BYTES and (piece := archive.read(HEAD_BYTES - len(head))):
        head += piece
    stream = open_tar(archive, head, meter)
    with contextlib.closing(_Tree(into)) as tree:
        for member in _members(stream):
            _place(member, tree, stream, meter, links)
        stream.end()
        tree.set_times()


def _members(stream: TarStream) -> Iterator[tarfile.TarInfo]:
    file: Any = stream  # has of a file what tarfile calls: read, seek, tell
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            kept: list[object] = vars(tar)["members"]
            while (member := tar.next()) is not None:
                yield member
                kept.clear()  # it keeps every member that it has seen
    except (tarfile.TarError, ValueError, OverflowError, IndexError) as error:
        raise ContextError(f"the context is a tar that is broken: {error}") from None


def _place(member: tarfile.TarInfo, tree: _Tree, stream: TarStream, meter: Meter, links: Links) -> None:
    meter.add(member.name)
    parts = _parts(member.name)
    mtime = _time(member.mtime)
    if not parts:
        if not member.isdir():
            raise Unsafe(f"the context has a member {member.name!r} that would replace its folder")
    elif member.isdir():
        tree.folder(parts, member.mode, mtime)
    elif member.issym():
        tree.link(parts, _target(member, parts, links), mtime)
    elif member.islnk():
        tree.hard_link(parts, _parts(member.linkname), mtime)
    elif member.isreg() and not member.issparse() and member.size >= 0:
        meter.unpack(member.size)
        stream.seek(member.offset_data)
        tree.file(parts, _content(member, stream), member.mode, mtime)
    else:
        raise Unsafe(f"the context has {member.name!r}, which is {_odd_kind(member)}")


def _time(mtime: float) -> int:
    return int(mtime) if 0 <= mtime <= _TIME_MOST else 0  # NaN is neither


def _content(member: tarfile.TarInfo, stream: TarStream) -> Iterator[bytes]:
    left = member.size
    while left:
        piece = stream.read(min(left, PIECE_BYTES))
        if not piece:
            raise ContextError(f"the context is a tar that is cut off, in {member.name!r}")
        left -= len(piece)
        yield piece


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a member's name below the folder; () for the folder itself."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Unsafe(f"the context has a member {name[:200]!r}, which would lie outside its folder")
    if any(len(part.encode(errors="surrogateescape")) > _PART_BYTES_MOST for part in parts):
        raise Unsafe(f"the context has a member {name[:60]!r}… with a name that no file can have")
    return parts


def _target(member: tarfile.TarInfo, parts: tuple[str, ...], links: Links) -> str:
    target = member.linkname
    if not target or "\0" in target or len(target.encode(errors="surrogateescape")) > _TARGET_BYTES_MOST:
        raise Unsafe(f"the context has a link {member.name!r} to what no link can name")
    if links is Links.INSIDE and not _stays_inside(target, depth=len(parts) - 1):
        raise Unsafe(f"the context has a link {member.name!r} to {target[:200]!r}, outside its folder")
    return target


def _stays_inside(target: str, *, depth: int) -> bool:
    """Whether a link cannot lead out, whatever other links it passes.

    `..` counts only at the beginning, where it goes up from a real folder: behind a name it would go up
    from wherever that name leads.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    return not target.startswith("/") and up <= depth and ".." not in parts[up:]


def _odd_kind(member: tarfile.TarInfo) -> str:
    if member.ischr() or member.isblk():
        return "a device"
    if member.isfifo():
        return "a named pipe"
    return "a sparse file" if member.issparse() else f"of a kind {member.type!r} that no context may hold"


class _Tree:
    """A folder that is being filled. Methods take names as parts, and follow no link in them."""

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, _FOLDER)
        self._parent: tuple[tuple[str, ...], int] = ((), os.dup(self._root))
        self._times: dict[tuple[str, ...], int] = {}

    def close(self) -> None:
        os.close(self._root)
        os.close(self._parent[1])

    def folder(self, parts: tuple[str, ...], mode: int, mtime: int) -> None:
        parent = self._enter(parts[:-1], mtime)
        if not self._is_folder(parent, parts[-1]):
            self._remove(parent, parts)
            os.mkdir(parts[-1], dir_fd=parent)
        with _opened(parts[-1], _FOLDER, parent) as descriptor:
            os.fchmod(descriptor, mode & 0o777 | 0o700)
        self._times[parts] = mtime

    def file(self, parts: tuple[str, ...], content: Iterator[bytes], mode: int, mtime: int) -> None:
        parent = self._free(parts, mtime)
        with _opened(parts[-1], _NEW_FILE, parent) as descriptor:
            for piece in content:
                _write(descriptor, piece)
            os.fchmod(descriptor, mode & 0o777 | 0o600)
            os.utime(descriptor, (mtime, mtime))

    def link(self, parts: tuple[str, ...], target: str, mtime: int) -> None:
        parent = self._free(parts, mtime)
        os.symlink(target, parts[-1], dir_fd=parent)
        os.utime(parts[-1], (mtime, mtime), dir_fd=parent, follow_symlinks=False)

    def hard_link(self, parts: tuple[str, ...], target: tuple[str, ...], mtime: int) -> None:
        """A second name for a file that came before."""
        if not target or target == parts:
            raise Unsafe(f"the context has a hard link {'/'.join(parts)!r} to itself or its folder")
        with self._walked(target[:-1]) as source:
            try:
                status = os.stat(target[-1], dir_fd=source, follow_symlinks=False)
            except FileNotFoundError:
                status = None
            if status is None or not stat.S_ISREG(status.st_mode):
                raise Unsafe(f"the context has a hard link {'/'.join(parts)!r} to {'/'.join(target)!r}, "
                             "which is no file that came before it")  # fmt: skip
            parent = self._free(parts, mtime)
            os.link(target[-1], parts[-1], src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

    def set_times(self) -> None:
        """At the end, the deepest first: whatever is written into a folder changes its time."""
        for parts, mtime in sorted(self._times.items(), key=lambda item: -len(item[0])):
            with self._walked(parts) as descriptor:
                os.utime(descriptor, (mtime, mtime))

    def _free(self, parts: tuple[str, ...], mtime: int) -> int:
        """The folder that a new member goes into, with nothing in its place: the last of a name counts."""
        parent = self._enter(parts[:-1], mtime)
        self._remove(parent, parts)
        return parent

    def _remove(self, parent: int, parts: tuple[str, ...]) -> None:
        try:
            os.unlink(parts[-1], dir_fd=parent)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            raise Unsafe(
                f"the context has {'/'.join(parts)!r} both as a folder and as something else"
            ) from None

    def _enter(self, parts: tuple[str, ...], mtime: int) -> int:
        """The descriptor of a folder, which is made where it is not there; kept until the next one."""
        if self._parent[0] != parts:
            descriptor = self._walk(parts, mtime)
            os.close(self._parent[1])
            self._parent = (parts, descriptor)
        return self._parent[1]

    @contextlib.contextmanager
    def _walked(self, parts: tuple[str, ...]) -> Iterator[int]:
        descriptor = self._walk(parts, None)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _walk(self, parts: tuple[str, ...], mtime: int | None) -> int:
        """Go down part by part; `mtime` is that of folders which are made on the way, None makes none."""
        descriptor = os.dup(self._root)
        for number, part in enumerate(parts, 1):
            try:
                if mtime is not None and self._make(part, descriptor):
                    self._times[parts[:number]] = mtime
                below = os.open(part, _FOLDER, dir_fd=descriptor)
            except OSError as error:
                if error.errno not in (errno.ENOTDIR, errno.ELOOP, errno.ENOENT):
                    raise
                name = "/".join(parts[:number])
                raise Unsafe(f"the context has a member in {name!r}, which is no folder of it") from None
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    @staticmethod
    def _make(part: str, parent: int) -> bool:
        try:
            os.mkdir(part, 0o755, dir_fd=parent)
        except FileExistsError:
            return False
        os.chmod(part, 0o755, dir_fd=parent)  # the same for every umask
        return True

    @staticmethod
    def _is_folder(parent: int, name: str) -> bool:
        try:
            return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return False


@contextlib.contextmanager
def _opened(name: str, flags: int, parent: int) -> Iterator[int]:
    descriptor = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
