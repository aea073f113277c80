"""How a Dockerfile is refused: with file, line, rule and the line's own text. Knows no rule itself."""

from __future__ import annotations

from graph.errors import WrongUse
from graph.record import dataclass

TEXT_SHOWN_MOST = 100


class DockerfileError(WrongUse):
    """A Dockerfile that the builder would refuse. The message begins with `path:line: `."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instruction begins, and how it reads."""

    path: str
    line: int
    text: str = ""

    def refuse(self, rule: str, *, hint: str | None = None) -> DockerfileError:
        """The error to raise: this place breaks `rule`."""
        shown = printable(self.text.strip())
        if len(shown) > TEXT_SHOWN_MOST:
            shown = f"{shown[:TEXT_SHOWN_MOST]}…"
        quoted = f": {shown}" if shown else ""
        return DockerfileError(f"{printable(self.path)}:{self.line}: {printable(rule)}{quoted}", hint=hint)


def printable(text: str) -> str:
    """The text as any terminal and any JSON can take it: no control characters, no half characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
