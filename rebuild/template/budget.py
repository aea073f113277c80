"""How much one rendering may do, make and write before it is refused. Knows nothing of what the work is."""

from __future__ import annotations

from graph.record import dataclass
from rebuild.template.error import Fault

# So many cost about as much as evaluating one action: looked at all at once, and one by one.
_CHARACTERS_A_STEP = 256
_SINGLE_CHARACTERS_A_STEP = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rendering may cost. The defaults allow a hundred times what the largest task file needs."""

    steps: int = 200_000  # tokens, actions, commands, list elements; about one second
    output_bytes: int = 4 << 20
    made_bytes: int = 64 << 20  # by all functions together, also what is thrown away again
    depth: int = 60  # templates, blocks and parentheses within each other; lists within lists


class Budget:
    """What is left of the limits."""

    __slots__ = ("_limits", "_made_bytes", "_output_bytes", "_steps")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._steps = limits.steps
        self._made_bytes = limits.made_bytes
        self._output_bytes = limits.output_bytes

    def step(self, count: int = 1) -> None:
        """Take `count` steps."""
        self._steps -= count
        if self._steps < 0:
            raise Fault(
                f"rendering takes more than {self._limits.steps:,} steps",
                hint="shorten what is ranged over, or make the text before it becomes a template",
            )

    def read(self, characters: int) -> None:
        """Look at a text of so many characters."""
        self.step(characters // _CHARACTERS_A_STEP)

    def walk(self, text: str) -> None:
        """Go through a text character by character."""
        self.step(len(text) // _SINGLE_CHARACTERS_A_STEP)

    def make(self, size_bytes: int) -> None:
        """Make a text of at most so many bytes; called before it is made."""
        self._made_bytes -= size_bytes
        if self._made_bytes < 0 or size_bytes > self._limits.output_bytes:
            most = f"{self._limits.output_bytes:,} bytes"
            raise Fault(f"a function makes more text than the {most} of the largest output")

    def write(self, size_bytes: int) -> None:
        """Add so many bytes to the output."""
        self._output_bytes -= size_bytes
        if self._output_bytes < 0:
            raise Fault(f"the output is larger than {self._limits.output_bytes:,} bytes")

    def check_depth(self, depth: int) -> None:
        if depth > self._limits.depth:
            raise Fault(
                f"nested more than {self._limits.depth} deep",
                hint="a template that calls itself needs a condition that ends it",
            )
