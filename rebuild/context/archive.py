"""What an archive is, by its first bytes, and its tar as a stream that is read once. Writes no file.

The stream counts what it gives against the limits, and refuses large single reads: tarfile takes the
whole of a member's long names into memory, however long they say that they are.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from backports import zstd
from isal import igzip_lib

from rebuild.context.fault import ContextError, TooLarge
from rebuild.context.limits import Meter

HEAD_BYTES = 512
PIECE_BYTES = 64 * 1024
_METADATA_BYTES_MOST = 64 * 1024
_MEMORY_BYTES_MOST = 256 * 1024 * 1024  # what a decompressor may take, whatever the archive asks for
_ZSTD_WINDOW_LOG_MOST = 27
_END = bytes(HEAD_BYTES)
_BROKEN: tuple[Any, ...] = (  # of igzip_lib a class, too, though its types say otherwise
    OSError,
    EOFError,
    ValueError,
    lzma.LZMAError,
    zstd.ZstdError,
    igzip_lib.error,
)


class Kind(Enum):
    """What an archive begins with."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    TAR = "tar"


class Readable(Protocol):
    """Anything that gives bytes, fewer than asked for only at its end."""

    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    def decompress(self, piece: bytes, max_length: int = -1) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


_BEGINNINGS = {
    b"\x1f\x8b": Kind.GZIP,
    b"BZh": Kind.BZIP2,
    b"\xfd7zXZ\x00": Kind.XZ,
    b"\x28\xb5\x2f\xfd": Kind.ZSTD,
}


def kind_of(head: bytes) -> Kind | None:
    """By the first `HEAD_BYTES` of a file; None for what no context comes in."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    return Kind.TAR if _is_tar(head) else None


def what_came(head: bytes) -> str:
    """In words, for a message that says why it cannot be used."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "an empty file"
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page (HTML)"
    if head.startswith(b"PK\x03\x04"):
        return "a zip file"
    if text.startswith((b"{", b"[")):
        return "JSON"
    return f"something that begins with {head[:12]!r}"


def open_tar(file: Readable, head: bytes, meter: Meter) -> TarStream:
    """The tar in a file whose first `HEAD_BYTES` have been read; or `ContextError` where there is none."""
    kind = kind_of(head)
    if kind is None:
        raise ContextError(
            f"the context is {what_came(head)}, not a tar, plain or packed with gzip, bzip2, xz or zstd"
        )
    source = _Prefixed(head, file)
    if kind is Kind.TAR:
        return TarStream(source.read, meter)
    stream = TarStream(_Unpacker(source.read, kind, meter).read, meter)
    inner = stream.peek(HEAD_BYTES)
    if not _is_tar(inner):
        raise ContextError(f"the context is a {kind.value} file that holds {what_came(inner)}, not a tar")
    return stream


class TarStream:
    """A tar that is read once from its beginning to its end, as `tarfile` wants it."""

    def __init__(self, read: Callable[[int], bytes], meter: Meter) -> None:
        self._read = read
        self._meter = meter
        self._ahead = b""
        self._at = 0
        self._last = b""

    def peek(self, size: int) -> bytes:
        while len(self._ahead) < size and (piece := self._read(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """As many bytes as asked for, fewer only at the end."""
        if not 0 <= size <= _METADATA_BYTES_MOST:
            raise TooLarge(f"the context has a header of more than {_METADATA_BYTES_MOST} bytes in its tar")
        self._meter.check_time()
        self.peek(size)
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        self._at += len(piece)
        self._last = piece
        return piece

    def end(self) -> None:
        """Read what is behind the tar: only then a compressed file has shown that it is whole.

        tarfile takes a tar that is cut off between two members, or broken there, for one that ends.
        """
        if self._last != _END:
            raise ContextError("the context is a tar that is cut off or broken: it has no end")
        while piece := self.read(PIECE_BYTES):
            self._meter.unpack(len(piece))

    def tell(self) -> int:
        return self._at

    def seek(self, position: int) -> None:
        if position < self._at:
            raise ContextError("the context is a tar that is broken: it goes back to what was read")
        while self._at < position:
            piece = self.read(min(position - self._at, PIECE_BYTES))
            self._meter.unpack(len(piece))  # passing over is work, too
            if not piece:
                return


class _Prefixed:
    """A file, with what has been read of it before."""

    def __init__(self, head: bytes, file: Readable) -> None:
        self._head = head
        self._file = file

    def read(self, size: int) -> bytes:
        if not self._head:
            return self._file.read(size)
        piece, self._head = self._head[:size], self._head[size:]
        return piece


class _Unpacker:
    """What a compressed file holds, never more at a time than asked for; several files in a row are one."""

    def __init__(self, read: Callable[[int], bytes], kind: Kind, meter: Meter) -> None:
        self._source = read
        self._kind = kind
        self._meter = meter
        self._unpacker = _decompressor(kind)
        self._packed = b""

    def read(self, size: int) -> bytes:
        try:
            while True:
                self._meter.check_time()
                if self._unpacker.eof and not self._next():
                    return b""
                if self._unpacker.needs_input and not self._packed:
                    self._packed = self._source(PIECE_BYTES)
                    if not self._packed:
                        raise ContextError(f"the context is a {self._kind.value} file that is cut off")
                packed, self._packed = self._packed, b""
                if piece := self._unpacker.decompress(packed, size):
                    return piece
        except _BROKEN as error:
            raise ContextError(f"the context is a {self._kind.value} file that is broken: {error}") from None

    def _next(self) -> bool:
        """Go on with the file behind the one that ended; padding with zeros is not one."""
        rest = (self._unpacker.unused_data or self._source(PIECE_BYTES)).lstrip(b"\0")
        while not rest:
            piece = self._source(PIECE_BYTES)
            if not piece:
                return False
            rest = piece.lstrip(b"\0")
        self._unpacker = _decompressor(self._kind)
        self._packed = rest
        return True


def _decompressor(kind: Kind) -> _Decompressor:
    match kind:
        case Kind.GZIP:
            return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        case Kind.BZIP2:
            return bz2.BZ2Decompressor()
        case Kind.XZ:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES_MOST)
        case Kind.ZSTD:
            window = int(zstd.DecompressionParameter.window_log_max)
            return zstd.ZstdDecompressor(options={window: _ZSTD_WINDOW_LOG_MOST})
        case Kind.TAR:
            raise AssertionError("a plain tar is not compressed")


def _is_tar(head: bytes) -> bool:
    """Whether it begins with a member's header, or with the end: an empty tar is one."""
    if head == _END:
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
