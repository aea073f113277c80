"""`$name` to the text of the alias, over a whole file. Knows not where the names come from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rebuild.aliases.definition import Aliases
from rebuild.template import NumberedText
from rebuild.template.error import refuse
from rebuild.template.numbered import Piece, origins

CHARACTERS_MOST = 4 << 20
_RUN = re.compile(r"[a-zA-Z0-9]*")


def replaced(task: NumberedText, aliases: Aliases, *, path: str) -> NumberedText:
    """The file with every alias replaced by its text, which is not looked through again.

    A name is the longest run of ASCII letters and digits behind the directive. A name that is none stays
    with its directive, and so does a directive right behind it: in `$unknown$name` nothing is replaced.
    Doubled, the directive stands for itself.
    """
    if aliases.directive not in task.text:
        return task
    pieces: list[Piece] = []
    size = 0
    for piece in _pieces(task.text, aliases):
        size += len(piece.text)
        if size > CHARACTERS_MOST:
            line = task.number(piece.line)
            raise refuse(
                path, line, f"with its aliases the file has more than {CHARACTERS_MOST:,} characters"
            )
        pieces.append(piece)
    text = "".join(piece.text for piece in pieces)
    return NumberedText(text, tuple(task.number(line) for line in origins(pieces)))


def _pieces(text: str, aliases: Aliases) -> Iterator[Piece]:
    end, line = 0, 1
    while (start := text.find(aliases.directive, end)) >= 0:
        yield Piece(text[end:start], line, is_plain=True)
        line += text.count("\n", end, start)
        behind, put = _replacement(text, start + 1, aliases)
        yield Piece(put, line, is_plain=False)
        end = behind
    yield Piece(text[end:], line, is_plain=True)


def _replacement(text: str, at: int, aliases: Aliases) -> tuple[int, str]:
    """What stands for the name at `at`, and where the text goes on."""
    match = _RUN.match(text, at)
    name = match[0] if match else ""
    end = at + len(name)
    doubled = text[end : end + 1] == aliases.directive
    if name in aliases.texts:
        return end, aliases.texts[name]
    if not name:
        return end + doubled, aliases.directive
    kept = aliases.directive + name
    return (end + 1, kept + aliases.directive) if doubled else (end, kept)
