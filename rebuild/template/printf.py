"""Go's printf: a format and its arguments, and the notes on those that are missing or too many."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rebuild.template.budget import Budget
from rebuild.template.error import Fault
from rebuild.template.formatting import NIL, made, plain
from rebuild.template.value import Value, type_name
from rebuild.template.verbs import Directive, formatted

WIDTH_MOST = 1_000_000  # Go's own limit
_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width_at>\[\d{1,3}\](?=\*))?(?P<width>\*|\d{1,8})?"
    r"(?:\.(?P<precision_at>\[\d{1,3}\](?=\*))?(?P<precision>\*|\d{0,8}))?"
    r"(?:\[(?P<at>\d{1,3})\])?(?P<verb>.)?",
    re.DOTALL,
)


def printf(template: str, arguments: Sequence[Value], budget: Budget) -> str:
    """The text that `template` describes, with the arguments in it."""
    return _Printer(arguments, budget).text(template)


class _Printer:
    def __init__(self, arguments: Sequence[Value], budget: Budget) -> None:
        self._arguments = arguments
        self._budget = budget
        self._at = 0
        self._reordered = False

    def text(self, template: str) -> str:
        pieces: list[str] = []
        end = 0
        for match in _DIRECTIVE.finditer(template):
            self._budget.step()
            pieces += [template[end : match.start()], self._directive(match)]
            end = match.end()
        pieces.append(template[end:])
        if not self._reordered and self._at < len(self._arguments):
            extra = ", ".join(_typed(each, self._budget) for each in self._arguments[self._at :])
            pieces.append(f"%!(EXTRA {extra})")
        return made(pieces, self._budget)

    def _directive(self, match: re.Match[str]) -> str:
        flags, verb = match["flags"], match["verb"]
        width = self._size(match["width"], match["width_at"])
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        precision = self._size(match["precision"], match["precision_at"])
        if match["at"]:
            self._move_to(match["at"])
        if verb is None:
            return "%!(NOVERB)"
        if verb == "v":
            flags = flags.replace("+", "")  # on %v it asks for the names of fields, not for a sign
        if verb == "%":
            return "%"
        if not 0 <= self._at < len(self._arguments):
            return f"%!{verb}(BADINDEX)" if self._reordered else f"%!{verb}(MISSING)"
        value = self._arguments[self._at]
        self._at += 1
        directive = Directive(
            verb, flags, width, None if precision is not None and precision < 0 else precision
        )
        self._budget.make((width or 0) + (precision or 0))
        return formatted(value, directive, self._budget)

    def _size(self, text: str | None, at: str | None) -> int | None:
        """A width or precision: a number, or the argument that a `*` takes."""
        if at:
            self._move_to(at[1:-1])
        if text is None:
            return None
        number: Value = None
        if text != "*":
            number = int(text or 0)
        elif 0 <= self._at < len(self._arguments):
            number = self._arguments[self._at]
            self._at += 1
        if not isinstance(number, int) or isinstance(number, bool) or abs(number) > WIDTH_MOST:
            raise Fault(f"a width or precision is a whole number up to {WIDTH_MOST:,}")
        return number

    def _move_to(self, number: str) -> None:
        self._reordered = True
        self._at = int(number) - 1


def _typed(value: Value, budget: Budget) -> str:
    return NIL if value is None else f"{type_name(value)}={plain(value, budget)}"
