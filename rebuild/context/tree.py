"""A folder that is filled from its own descriptor, so that nothing is written through a link or outside.

Knows nothing of where the content comes from. Folders that nobody named get the time of what made them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from rebuild.context.fault import Unsafe

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PART_BYTES_MOST = 255


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a name below the folder, () for the folder itself; raises `Unsafe` for one outside."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Unsafe(f"the context has a member {name[:200]!r}, which would lie outside its folder")
    if any(len(part.encode(errors="surrogateescape")) > _PART_BYTES_MOST for part in parts):
        raise Unsafe(f"the context has a member {name[:60]!r}… with a name that no file can have")
    return parts


class Tree:
    """A folder that is being filled. Methods take names as parts, and follow no link in them.

    Times are seconds since 1970. What is in the way of a new member goes, unless it is a folder.
    """

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

    def file(self, parts: tuple[str, ...], content: Iterable[bytes], mode: int, mtime: int) -> None:
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
