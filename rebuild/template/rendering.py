"""A template's text and values to the text that it writes, and where each of its lines came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random

from graph.record import dataclass
from rebuild.template.budget import Budget, Limits
from rebuild.template.error import Fault, refuse
from rebuild.template.evaluator import Evaluation
from rebuild.template.formatting import NO_VALUE
from rebuild.template.function import Scope
from rebuild.template.functions.table import FUNCTIONS, check_function
from rebuild.template.lexer import LexicalFault
from rebuild.template.node import Action, looked_up
from rebuild.template.numbered import NumberedText, origins
from rebuild.template.parser import parse
from rebuild.template.value import adopt, clean, sound


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a template may know of the world besides its values. `now` has a zone."""

    now: datetime
    random: Random


# Asked at each place where nothing would be written, with its line and what was looked up there, such as
# (".Values.name",): the text to write instead.
ForNothing = Callable[[int, tuple[str, ...]], str]


def render(
    text: str | NumberedText,
    values: Mapping[str, object],
    *,
    path: str,
    surroundings: Surroundings,
    limits: Limits | None = None,
    for_nothing: ForNothing | None = None,
) -> NumberedText:
    """What the template `text` writes of `values`, which are its dot; a missing value writes nothing.

    `for_nothing`, where given, says what is written in the place of nothing.

    Raise `TemplateError`, `path:line: …`, for a template that breaks a rule or costs more than the
    limits, and for a value of a type that templates do not know; nothing else.
    """
    template = NumberedText.of(text) if isinstance(text, str) else text
    budget = Budget(limits or Limits())
    try:
        parsed = parse(sound(template.text), check_function=check_function, budget=budget)
    except LexicalFault as fault:
        raise refuse(path, template.number(fault.line), fault.reason, hint=fault.hint) from None

    def instead(action: Action) -> str:
        names = tuple(dict.fromkeys(looked_up(action.pipeline)))
        return for_nothing(template.number(action.line), names) if for_nothing and names else ""

    scope = Scope(budget, surroundings.now, surroundings.random)
    evaluation = Evaluation(parsed.templates, FUNCTIONS, scope, for_nothing=instead)
    try:
        evaluation.run(parsed.body, adopt(values, budget))
    except Fault as fault:
        raise refuse(path, template.number(evaluation.line), fault.reason, hint=fault.hint) from None
    written = clean("".join(piece.text for piece in evaluation.written)).replace(NO_VALUE, "")
    return NumberedText(written, tuple(template.number(line) for line in origins(evaluation.written)))
