"""A parsed template as immutable records. Knows no text and no evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from graph.record import dataclass
from rebuild.template.literal import Constant


@dataclass(frozen=True, slots=True)
class Literal:
    """A string or boolean."""

    value: str | bool


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`."""


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`, and `.` where the path is empty: looked up from what the dot is."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name.a.b`; the name without its `$`."""

    name: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """The name of a function."""

    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).a.b`."""

    start: Operand
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """`first argument argument …`."""

    first: Operand
    arguments: tuple[Operand, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`$a, $b := command | command`: the value of one command is the last argument of the next."""

    commands: tuple[Command, ...]
    names: tuple[str, ...] = ()
    assigns: bool = False


Operand: TypeAlias = Literal | Constant | Nil | Field | Variable | Call | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside of actions."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Action:
    """`{{pipeline}}`."""

    pipeline: Pipeline
    line: int


@dataclass(frozen=True, slots=True)
class Branch:
    """One condition and what is done where it holds."""

    pipeline: Pipeline
    body: Body
    line: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`if` and `with`: the first branch that holds, or `otherwise`; `with` makes its value the dot."""

    branches: tuple[Branch, ...]
    otherwise: Body
    moves_dot: bool


@dataclass(frozen=True, slots=True)
class Range:
    """`range`: the body for each element, or `otherwise` where there is none."""

    over: Branch
    otherwise: Body


@dataclass(frozen=True, slots=True)
class Include:
    """`template "name" pipeline`."""

    name: str
    pipeline: Pipeline | None
    line: int


@dataclass(frozen=True, slots=True)
class Break:
    """`break`."""


@dataclass(frozen=True, slots=True)
class Continue:
    """`continue`."""


Node: TypeAlias = Text | Action | Choice | Range | Include | Break | Continue
Body: TypeAlias = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A whole file: what it writes, and the templates that it defines by name."""

    body: Body
    templates: dict[str, Body]


def looked_up(operand: Operand) -> Iterator[str]:
    """What an expression takes its value from, such as `.Values.name`, as it is written."""
    match operand:
        case Field(path):
            yield f".{'.'.join(path)}"
        case Variable(name, path):
            yield ".".join((f"${name}", *path))
        case Chain(start, _):
            yield from looked_up(start)
        case Pipeline(commands):
            for command in commands:
                for each in (command.first, *command.arguments):
                    yield from looked_up(each)
        case _:
            pass  # a constant, or the name of a function


def is_blank(body: Body) -> bool:
    """Whether it writes nothing but white space."""
    return all(isinstance(node, Text) and not node.text.strip() for node in body)
