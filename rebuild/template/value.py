"""What a template computes with: text, numbers, booleans, nil, lists, maps and two closed kinds of object.

Knows Go's words for them. A name after a dot is looked up in a map, or among the members that an object
offers, and nowhere else: no attribute of any Python object can be reached.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rebuild.template.budget import Budget
from rebuild.template.error import Fault

_HALF = re.compile("[\ud800-\udfff]")
INT_MOST = (1 << 63) - 1
INT_LEAST = -(1 << 63)


class Object:
    """A value with members that a template may name after a dot. Its classes are here in the package."""

    __slots__ = ()

    @property
    def type_name(self) -> str:
        raise NotImplementedError

    def members(self) -> Mapping[str, Value]:
        raise NotImplementedError

    def printed(self) -> str:
        raise NotImplementedError

    def as_json(self) -> str:
        """What the JSON of it says, between quotes."""
        return self.printed()

    @property
    def kind_name(self) -> str:
        return "struct"


Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | Object | None"
List: TypeAlias = "list[Value]"
Dict: TypeAlias = "dict[str, Value]"


def type_name(value: Value) -> str:
    """The type as Go prints it with %T."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case dict():
            return "map[string]interface {}"
        case _:
            return value.type_name


def kind_name(value: Value) -> str:
    """The kind as Go's reflection names it."""
    match value:
        case None:
            return "invalid"
        case list():
            return "slice"
        case dict():
            return "map"
        case None | bool() | int() | float() | str():
            return type_name(value)
        case _:
            return value.kind_name


def is_true(value: Value) -> bool:
    """Whether an `if` takes the value: it is not the zero of its type."""
    return bool(value) if isinstance(value, (bool, int, float, str, list, dict)) else value is not None


def wrapped(number: int) -> int:
    """The number as 64 bits hold it: past the largest comes the smallest."""
    return number if INT_LEAST <= number <= INT_MOST else (number + (1 << 63)) % (1 << 64) - (1 << 63)


def raw(text: str) -> bytes:
    """The bytes of a text. Go counts and cuts bytes; half a character stays as a half."""
    return text.encode(errors="surrogateescape")


def cooked(content: bytes) -> str:
    """The text of these bytes; `raw` gives the same bytes back."""
    return content.decode(errors="surrogateescape")


def clean(text: str) -> str:
    """The text with a replacement character where half a character is left."""
    return raw(text).decode(errors="replace") if _has_halves(text) else text


def sound(text: str) -> str:
    """A text from outside as one that has bytes: no half characters."""
    return _HALF.sub("\ufffd", text)


def adopt(thing: object, budget: Budget, depth: int = 0) -> Value:
    """A copy of what the caller gave, of types that templates know.

    Raise `Fault` for anything else: no object of ours gets into a template by mistake.
    """
    budget.step()
    budget.check_depth(depth)
    match thing:
        case None | bool():
            return thing
        case float():
            return float(thing)
        case int():
            return int(thing) if INT_LEAST <= thing <= INT_MOST else float(thing)
        case str():
            return sound(thing)
        case Mapping():
            return {str(key): adopt(each, budget, depth + 1) for key, each in thing.items()}
        case Sequence():
            return [adopt(each, budget, depth + 1) for each in thing]
        case _:
            raise Fault(f"a value of type {type(thing).__name__} has no meaning in a template")


def measure(value: Value, budget: Budget, depth: int = 0) -> None:
    """Pay for looking at the whole value, before somebody does; refuse what is nested in itself."""
    budget.check_depth(depth)
    match value:
        case str():
            budget.read(len(value))
        case list():
            budget.step(len(value))
            for each in value:
                measure(each, budget, depth + 1)
        case dict():
            budget.step(len(value))
            for key, each in value.items():
                budget.read(len(key))
                measure(each, budget, depth + 1)
        case _:
            return


def equal(one: Value, other: Value, budget: Budget, depth: int = 0) -> bool:
    """Whether two values are the same, type for type, all the way down."""
    budget.step()
    budget.check_depth(depth)
    if isinstance(one, list) and isinstance(other, list):
        same_length = len(one) == len(other)
        return same_length and all(equal(a, b, budget, depth + 1) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            equal(each, other[key], budget, depth + 1) for key, each in one.items()
        )
    if isinstance(one, str) and isinstance(other, str):
        budget.read(min(len(one), len(other)))
    return type(one) is type(other) and one == other


def _has_halves(text: str) -> bool:
    return not text.isascii() and _HALF.search(text) is not None
