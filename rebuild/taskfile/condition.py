"""An `if`: read once, then decided from what the steps before did. Knows not how it is written."""

from __future__ import annotations

from dataclasses import field

from graph.record import dataclass
from rebuild.taskfile.circumstances import Circumstances
from rebuild.taskfile.expression import Expression, read_expression, truth


@dataclass(frozen=True, slots=True)
class Condition:
    """`text` is as written; `steps` are the ids that it asks about."""

    text: str
    _expression: Expression = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Raise `ExpressionError`."""
        return cls(text, read_expression(text))

    @property
    def steps(self) -> frozenset[str]:
        return self._expression.steps

    @property
    def minds_failure(self) -> bool:
        """Whether it asks how steps ended; else it counts only as long as all went well."""
        return self._expression.minds_failure

    def holds(self, around: Circumstances) -> bool:
        if not self.minds_failure and (around.failed or around.canceled):
            return False
        return truth(self._expression.value(around))
