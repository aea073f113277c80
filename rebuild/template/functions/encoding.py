"""Base 64 and 32, and checksums."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable

from graph.record import dataclass
from rebuild.template.formatting import plain
from rebuild.template.function import Scope, functions
from rebuild.template.value import Value, cooked, raw


def b64enc(scope: Scope, value: Value) -> Value:
    """ACR's own: a value that is missing gives nothing, not an error."""
    if value is None:
        return ""
    return base64.b64encode(raw(plain(value, scope.budget))).decode()


def b64dec(text: str) -> Value:
    return _decoded(text, _BASE64)


def b32enc(text: str) -> Value:
    return base64.b32encode(raw(text)).decode()


def b32dec(text: str) -> Value:
    return _decoded(text, _BASE32)


@dataclass(frozen=True, slots=True)
class _Base:
    """How bytes are written in a base: blocks of so many characters, the last one filled up with `=`."""

    name: str
    block: int
    ends: tuple[int, ...]  # how many characters the last block may have before its `=`
    alphabet: re.Pattern[bytes]
    decode: Callable[[bytes], bytes]


_BASE64 = _Base("base64", 4, (2, 3), re.compile(rb"[A-Za-z0-9+/]*"), base64.b64decode)
_BASE32 = _Base("base32", 8, (2, 4, 5, 7), re.compile(rb"[A-Z2-7]*"), base64.b32decode)


def _decoded(text: str, base: _Base) -> str:
    """The bytes, or words of Sprig's for what is none; line ends count for nothing."""
    content = raw(text).translate(None, b"\r\n")
    match = base.alphabet.match(content)
    written = match.end() if match else 0
    last = written % base.block
    if len(content) % base.block == 0 and last == 0 and written == len(content):
        return cooked(base.decode(content))
    if last in base.ends and content[written:] == b"=" * (base.block - last):
        return cooked(base.decode(content))
    return f"illegal {base.name} data"


def sha1sum(text: str) -> Value:
    return hashlib.sha1(raw(text), usedforsecurity=False).hexdigest()


def sha256sum(text: str) -> Value:
    return hashlib.sha256(raw(text)).hexdigest()


def adler32sum(text: str) -> Value:
    return str(zlib.adler32(raw(text)))


FUNCTIONS = functions(
    b64enc=b64enc,
    b64dec=b64dec,
    b32enc=b32enc,
    b32dec=b32dec,
    sha1sum=sha1sum,
    sha256sum=sha256sum,
    adler32sum=adler32sum,
)
