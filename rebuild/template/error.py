"""How a template is refused: with file, line and rule, never with a value. Knows no rule itself.

Values may be secrets, so no reason quotes one; what stands in the template itself may be quoted.
"""

from __future__ import annotations

from graph.errors import WrongUse


class TemplateError(WrongUse):
    """A text that cannot be rendered. The message begins with `path:line: `."""


class Fault(Exception):
    """A rule that is broken at a place its finder does not know; whoever knows it makes a `TemplateError`."""

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def refuse(path: str, line: int, reason: str, *, hint: str | None = None) -> TemplateError:
    """The error to raise: this line of `path` breaks the rule that `reason` tells."""
    return TemplateError(f"{_printable(path)}:{line}: {_printable(reason)}", hint=hint)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
