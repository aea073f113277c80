"""What a function of the template language is, and how its arguments are checked. Knows none itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from random import Random
from typing import Any

from graph.record import dataclass
from rebuild.template.budget import Budget
from rebuild.template.error import Fault
from rebuild.template.literal import Constant
from rebuild.template.value import Value, type_name


@dataclass(frozen=True, slots=True)
class Scope:
    """What a function may use besides its arguments: the budget, the time of the run, a source of chance."""

    budget: Budget
    now: datetime
    random: Random


class Parameter(Enum):
    """What a function takes in one place, in Go's words."""

    ANY = "any value"
    TEXT = "string"
    INT = "int"
    FLOAT = "float64"
    BOOL = "bool"
    LIST = "a list"
    DICT = "a map"


_BY_ANNOTATION = {
    "Value": Parameter.ANY,
    "str": Parameter.TEXT,
    "int": Parameter.INT,
    "float": Parameter.FLOAT,
    "bool": Parameter.BOOL,
    "List": Parameter.LIST,
    "Dict": Parameter.DICT,
}
_VARIADIC = 0x04  # of a code object's flags


@dataclass(frozen=True, slots=True)
class Function:
    """A function that templates may call."""

    call: Callable[..., Value]
    parameters: tuple[Parameter, ...]
    rest: Parameter | None
    scoped: bool  # takes the scope as its first argument

    def parameter(self, at: int) -> Parameter:
        return self.parameters[at] if at < len(self.parameters) or self.rest is None else self.rest

    def check_count(self, name: str, count: int) -> None:
        least = len(self.parameters)
        if count < least or (count > least and self.rest is None):
            wanted = f"at least {least}" if self.rest else str(least)
            raise Fault(f"{name} takes {wanted} argument{'' if least == 1 else 's'}, not {count}")


def function(call: Callable[..., Value]) -> Function:
    """The function that a Python function makes; its annotations say what it takes."""
    code = call.__code__
    names = code.co_varnames[: code.co_argcount]
    annotations: Mapping[str, str] = call.__annotations__
    scoped = bool(names) and annotations[names[0]] == "Scope"
    rest = code.co_varnames[code.co_argcount] if code.co_flags & _VARIADIC else None
    return Function(
        call,
        tuple(_BY_ANNOTATION[annotations[name]] for name in names[1 if scoped else 0 :]),
        _BY_ANNOTATION[annotations[rest]] if rest else None,
        scoped,
    )


def functions(**calls: Callable[..., Value]) -> dict[str, Function]:
    """A table of functions by the name that templates call them."""
    return {name.rstrip("_"): function(call) for name, call in calls.items()}


def accepted(parameter: Parameter, value: Value | Constant, name: str, place: int) -> Any:
    """The argument as the function takes it; raise `Fault` where Go's types would not fit."""
    if isinstance(value, Constant):
        return _constant(parameter, value, name, place)
    if parameter is Parameter.ANY or _fits(parameter, value):
        return value
    if parameter is Parameter.DICT and value is None:  # Go's map without entries
        return {}
    if value is None:
        raise Fault(
            f"{name}: argument {place} has no value, and must be {parameter.value}",
            hint='give one, or write … | default ""',
        )
    raise Fault(f"{name}: argument {place} must be {parameter.value}, not {type_name(value)}")


def _constant(parameter: Parameter, constant: Constant, name: str, place: int) -> Value:
    match parameter:
        case Parameter.ANY:
            return constant.value
        case Parameter.FLOAT:
            return float(constant.value)
        case Parameter.INT if constant.whole is not None:
            return constant.whole
        case _:
            raise Fault(f"{name}: argument {place} must be {parameter.value}, not a number")


def _fits(parameter: Parameter, value: Value) -> bool:
    match parameter:
        case Parameter.ANY:
            return True
        case Parameter.TEXT:
            return isinstance(value, str)
        case Parameter.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case Parameter.FLOAT:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case Parameter.BOOL:
            return isinstance(value, bool)
        case Parameter.LIST:
            return isinstance(value, list)
        case Parameter.DICT:
            return isinstance(value, dict)
