"""Values as Go's fmt package prints them with %v, print and println. Knows nothing of verbs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rebuild.template.budget import Budget
from rebuild.template.value import Value, measure, raw

NO_VALUE = "<no value>"
NIL = "<nil>"
_EXPONENT_FROM = 6  # fmt's: a million is 1e+06


def shown(value: Value, budget: Budget) -> str:
    """What an action writes."""
    return NO_VALUE if value is None else plain(value, budget)


def plain(value: Value, budget: Budget) -> str:
    """The value as %v."""
    if isinstance(value, (list, dict)):
        measure(value, budget)
        text = _plain(value)
        budget.make(len(text))
        return text
    return _plain(value)


def joined(values: Sequence[Value], budget: Budget) -> str:
    """As `print` does: a space only between two that are no texts."""
    pieces: list[str] = []
    before: Value = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(before, str):
            pieces.append(" ")
        pieces.append(plain(value, budget))
        before = value
    return made(pieces, budget)


def made(pieces: Sequence[str], budget: Budget) -> str:
    """One text of many, paid for."""
    budget.make(sum(map(len, pieces)))
    return "".join(pieces)


def real(number: float) -> str:
    """The fewest digits that give the same float again, with an exponent where it is far from 1."""
    if math.isnan(number) or math.isinf(number):
        return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"
    digits, exponent = shortest(number)
    if exponent < -4 or exponent >= _EXPONENT_FROM:
        return scientific(number, digits, exponent)
    return positional(number, digits, exponent)


def shortest(number: float) -> tuple[str, int]:
    """The digits of a finite float without a point, and the power of ten of the first one."""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole) if whole != "0" else len(digits) - len(fraction)
    power = leading - 1 + int(exponent or 0)
    return (digits.rstrip("0") or "0", power) if digits else ("0", 0)


def scientific(number: float, digits: str, exponent: int) -> str:
    """`d.ddde+dd`."""
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{_sign(number)}{digits[0]}{point}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


def positional(number: float, digits: str, exponent: int) -> str:
    """`ddd.ddd`, without a point where nothing follows it."""
    if exponent < 0:
        return f"{_sign(number)}0.{'0' * (-exponent - 1)}{digits}"
    whole, fraction = digits[: exponent + 1].ljust(exponent + 1, "0"), digits[exponent + 1 :]
    return f"{_sign(number)}{whole}{'.' if fraction else ''}{fraction}"


_ESCAPES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\",
}  # fmt: skip


def quoted(text: str, mark: str = '"') -> str:
    """The text as a Go literal."""
    return mark + "".join(_escaped(c, mark) for c in text) + mark


def _escaped(character: str, mark: str) -> str:
    if character == mark:
        return f"\\{mark}"
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return escaped(character)


def escaped(character: str) -> str:
    """The character by its number, as Go writes what cannot be printed."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _plain(value: Value) -> str:
    match value:
        case None:
            return NIL
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return real(value)
        case list():
            return f"[{' '.join(map(_plain, value))}]"
        case dict():
            pairs = (f"{key}:{_plain(value[key])}" for key in sorted(value, key=raw))
            return f"map[{' '.join(pairs)}]"
        case _:
            return value.printed()


def _sign(number: float) -> str:
    return "-" if math.copysign(1, number) < 0 else ""
