"""Writes what a tar holds into a folder, and nothing anywhere else, whoever made the tar.

Every member is reached from the folder's own descriptor, one part of its name after the other, and no
part may be a link: so nothing is ever written through one. Owners, special bits and devices stay behind.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from rebuild.context.archive import HEAD_BYTES, PIECE_BYTES, Readable, TarStream, open_tar
from rebuild.context.fault import ContextError, TooLarge, Unsafe
from rebuild.context.limits import Meter
from rebuild.context.tree import Tree, parts_of

_TARGET_BYTES_MOST = 4095
_TIME_MOST = 2**33  # the year 2242; what a tar says beyond that is no time


class Links(Enum):
    """Where symbolic links may point. None is ever followed here; others may."""

    INSIDE = "inside"  # only into the folder: for archives that strangers made
    ANYWHERE = "anywhere"  # as they are: for what somebody sends of a folder of their own


def unpack(
    archive: Readable,
    into: Path,
    meter: Meter,
    *,
    links: Links,
    head: bytes = b"",
    below: tuple[str, ...] = (),
) -> None:
    """Unpack a tar, compressed or not, into a folder. It blocks: call it in a thread.

    `head` is what has been read of the archive, `below` the parts of a folder that everything goes into.
    Raises `Unsafe` for members that no context may hold, `TooLarge` beyond the limits and `ContextError`
    for what is no tar; the folder is then half full.
    """
    while len(head) < HEAD_BYTES and (piece := archive.read(HEAD_BYTES - len(head))):
        head += piece
    stream = open_tar(archive, head, meter)
    with contextlib.closing(Tree(into)) as tree:
        for member in _members(stream):
            _place(member, below, tree, stream, meter, links)
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
    except RecursionError:  # tarfile calls itself for every header that is about the next one
        raise TooLarge("the context has a tar with header upon header and nothing behind them") from None


def _place(
    member: tarfile.TarInfo, below: tuple[str, ...], tree: Tree, stream: TarStream, meter: Meter, links: Links
) -> None:
    meter.add(member.name)
    parts = (*below, *parts_of(member.name))
    mtime = _time(member.mtime)
    if parts == below:
        if not member.isdir():
            raise Unsafe(f"the context has a member {member.name!r} that would replace its folder")
    elif member.isdir():
        tree.folder(parts, member.mode, mtime)
    elif member.issym():
        tree.link(parts, _target(member, parts, links), mtime)
    elif member.islnk():
        tree.hard_link(parts, (*below, *parts_of(member.linkname)), mtime)
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
