"""A template's text and values to the text that it writes, and where each of its lines came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from rebuild.template.budget import Budget, Limits
from rebuild.template.error import Fault, refuse
from rebuild.template.evaluator import Evaluation, Piece
from rebuild.template.formatting import NO_VALUE
from rebuild.template.function import Scope
from rebuild.template.functions.table import FUNCTIONS, check_function
from rebuild.template.lexer import LexicalFault
from rebuild.template.parser import parse
from rebuild.template.value import adopt, clean, sound


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a template may know of the world besides its values. `now` has a zone."""

    now: datetime
    random: Random


@dataclass(frozen=True, slots=True)
class Output:
    """What a template wrote. It may hold secrets, so no representation shows it.

    `lines` has one entry a line of the text: the number of the line in the file that it comes from.
    """

    text: str = field(repr=False)
    lines: tuple[int, ...]


def render(
    text: str,
    values: Mapping[str, object],
    *,
    path: str,
    surroundings: Surroundings,
    lines: Sequence[int] | None = None,
    limits: Limits | None = None,
) -> Output:
    """The text that the template `text` writes of `values`, which are its dot.

    A missing value writes nothing. `lines` tells for each line of `text` its number in the file at
    `path`, where that is another. Raise `TemplateError`, `path:line: …`, for a template that breaks a
    rule or costs more than the limits; nothing else.
    """
    numbers = lines if lines is not None else range(1, text.count("\n") + 2)
    try:
        parsed = parse(sound(text), check_function=check_function)
    except LexicalFault as fault:
        raise refuse(path, _number(numbers, fault.line), fault.reason, hint=fault.hint) from None
    budget = Budget(limits or Limits())
    scope = Scope(budget, surroundings.now, surroundings.random)
    evaluation = Evaluation(parsed.templates, FUNCTIONS, scope)
    try:
        evaluation.run(parsed.body, adopt(values, budget))
    except Fault as fault:
        raise refuse(path, _number(numbers, evaluation.line), fault.reason, hint=fault.hint) from None
    written = clean("".join(piece.text for piece in evaluation.written)).replace(NO_VALUE, "")
    return Output(written, tuple(_number(numbers, line) for line in _origins(evaluation.written, written)))


def _number(numbers: Sequence[int], line: int) -> int:
    """The number in the file of a line of the template."""
    return numbers[min(line, len(numbers)) - 1] if numbers else line


def _origins(pieces: Sequence[Piece], written: str) -> Iterator[int]:
    """For each line of what was written, the line of the template whose text comes first in it."""
    origin: int | None = None
    for piece in pieces:
        for at, part in enumerate(piece.text.split("\n")):
            if at:
                yield piece.line_of(at - 1) if origin is None else origin
                origin = None
            if origin is None and part:
                origin = piece.line_of(at)
    if not written.endswith("\n"):
        yield origin or 1
