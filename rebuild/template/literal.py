"""Numbers, characters and strings as Go writes them in source, to values."""

from __future__ import annotations

import math
import re

from graph.record import dataclass
from rebuild.template.error import Fault
from rebuild.template.value import INT_LEAST, INT_MOST

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_OLD_OCTAL = re.compile(r"[+-]?0_?[0-7][0-7_]*")
_NUMBER_LENGTH_MOST = 100


@dataclass(frozen=True, slots=True)
class Constant:
    """A number in a template: what it is by itself, and as a whole number where it is one."""

    value: int | float
    whole: int | None


def number(text: str) -> Constant:
    """The constant that `text` writes; raise `Fault` where Go knows none."""
    if len(text) > _NUMBER_LENGTH_MOST:
        raise Fault("a number is too long")
    whole = _whole(text)
    if whole is not None:
        return Constant(whole, whole)
    fraction = _fraction(text)
    if fraction is None or math.isinf(fraction):
        raise Fault(f"{text!r} is not a number")
    if not any(mark in text for mark in ".eEpP"):
        raise Fault(f"{text!r} is too large for a whole number")
    fits = fraction.is_integer() and INT_LEAST <= fraction <= INT_MOST
    return Constant(fraction, int(fraction) if fits else None)


def _whole(text: str) -> int | None:
    try:
        is_octal = _OLD_OCTAL.fullmatch(text)
        found = int(text.replace("_", ""), 8) if is_octal else int(text, 0)
    except ValueError:
        return None
    return found if INT_LEAST <= found <= INT_MOST else None


def _fraction(text: str) -> float | None:
    try:
        return float.fromhex(text.replace("_", "")) if "p" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None


def character(text: str) -> Constant:
    """The number of the one character between single quotes."""
    inner = text[1:-1]
    plain = _unescape(inner, "'")
    if len(plain) != 1:
        raise Fault(f"{text} is not one character")
    return Constant(ord(plain), ord(plain))


def string(text: str) -> str:
    """What stands between double quotes or backticks, escapes undone."""
    return text[1:-1].replace("\r", "") if text[0] == "`" else _unescape(text[1:-1], '"')


def _unescape(inner: str, quote: str) -> str:
    if "\\" not in inner:
        return inner
    pieces: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(inner):
        pieces.append(inner[at : match.start()].encode(errors="surrogateescape"))
        pieces.append(_escaped(match[1], quote))
        at = match.end()
    pieces.append(inner[at:].encode(errors="surrogateescape"))
    return b"".join(pieces).decode(errors="surrogateescape")


def _escaped(code: str, quote: str) -> bytes:
    """The bytes of one escape: \\x and octal write a byte, \\u and \\U a character."""
    if code in _PLAIN or code == quote:
        return _PLAIN.get(code, code).encode()
    if len(code) == 3 and code[0] == "x":
        return bytes([int(code[1:], 16)])
    if len(code) == 3 and code.isdecimal() and int(code, 8) < 256:
        return bytes([int(code, 8)])
    if len(code) in (5, 9):
        point = int(code[1:], 16)
        if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF:
            return chr(point).encode()
    raise Fault(f"'\\{code}' is not an escape of a quoted string", hint="write \\\\ for a backslash")
