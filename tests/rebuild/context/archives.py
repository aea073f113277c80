"""Archives for tests, kind ones and hostile ones. Unpacks nothing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a tar; `content` counts for files alone."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    mtime: int = 1_600_000_000


def folder(name: str, **more: int) -> Member:
    return Member(name, kind=tarfile.DIRTYPE, mode=more.get("mode", 0o755))


def link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.LNKTYPE, target=target)


def tar_of(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    return _written(members, form)


def _written(members: Iterable[Member], form: int) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as tar:
        for member in members:
            header = tarfile.TarInfo(member.name)
            header.type, header.linkname = member.kind, member.target
            header.mode, header.mtime, header.size = member.mode, member.mtime, len(member.content)
            header.uid = header.gid = 1234
            tar.addfile(header, io.BytesIO(member.content))
    return content.getvalue()
