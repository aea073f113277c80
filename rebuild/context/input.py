"""The standard input as a context: a tar, or a Dockerfile alone. Unpacks nothing."""

from __future__ import annotations

import io
import tarfile
from typing import BinaryIO

from rebuild.context.archive import HEAD_BYTES, PIECE_BYTES, Readable, kind_of, what_came
from rebuild.context.fault import ContextError
from rebuild.context.folder import Sink

DOCKERFILE_BYTES_MOST = 1024 * 1024


def read_whole(file: Readable, size: int) -> bytes:
    """As many bytes as asked for, fewer only at the end: a pipe gives what it has."""
    content = b""
    while len(content) < size and (piece := file.read(min(size - len(content), PIECE_BYTES))):
        content += piece
    return content


def read_dockerfile(file: Readable, head: bytes) -> bytes:
    """The Dockerfile that begins with `head`. Raises `ContextError` for what is none."""
    content = head + read_whole(file, DOCKERFILE_BYTES_MOST + 1 - len(head))
    if not content.strip() or b"\0" in content or len(content) > DOCKERFILE_BYTES_MOST:
        raise ContextError(
            f"the standard input is {what_came(head)}: neither a tar nor a Dockerfile",
            hint="pipe 'tar -cz FOLDER' or a Dockerfile into the command",
        )
    return content


def pass_on(stdin: BinaryIO, sink: Sink) -> None:
    """A tar as it comes; a Dockerfile alone as the tar that holds it."""
    head = read_whole(stdin, HEAD_BYTES)
    if kind_of(head) is None:
        sink.write(_tar_of(read_dockerfile(stdin, head)))
        return
    sink.write(head)
    while piece := stdin.read(PIECE_BYTES):
        sink.write(piece)


def _tar_of(dockerfile: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, io.BytesIO(dockerfile))
    return content.getvalue()
