"""Lays rows out in the columns of a terminal. Knows no images, only texts that may carry colour.

What only some looks need is imported where it is used, here and in `tracker.settings.written`: whoever asks
for a tree of bases waits for every module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from graph.record import dataclass

_GAP = "  "
_NAME_LEAST = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A name of any length, then facts in columns of their own, then lines of notes below.

    What may be long stands best as the last fact, where it breaks no column; a tree has it in front.
    """

    name: str
    facts: tuple[str, ...] = ()
    carry: str = ""  # stands where the name would, if the name is so long that the facts get their own line
    notes: tuple[str, ...] = ()
    shorter: str = ""  # takes the place of a name that does not fit


def terminal_width() -> int:
    """Columns of the terminal, or what COLUMNS says; 80 where there is none.

    That is what `shutil.get_terminal_size` answers, which loads every compression first.
    """
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said):
        return max(40, int(said))
    try:
        return max(40, os.get_terminal_size((sys.__stdout__ or sys.stdout).fileno()).columns or 80)
    except (AttributeError, ValueError, OSError):
        return 80


def print_rows(heads: Row, rows: Sequence[Row], *, width: int | None = None) -> None:
    """The rows under their heads, in so many columns; by default in those of the terminal."""
    bold = Row(
        click.style(heads.name, bold=True), tuple(click.style(head, bold=True) for head in heads.facts)
    )
    click.echo("\n".join(lay_out([bold, *rows], width or terminal_width())))  # one write: each echo flushes


def paragraph(text: str, indent: str = "") -> str:
    """The text broken into lines of the terminal's width; names are never broken, colours take no room."""
    width, lines = terminal_width(), [""]
    for word in text.split(" "):
        if lines[-1] and visible(lines[-1]) + 1 + visible(word) > width:
            lines.append("")
        before = f"{lines[-1]} " if lines[-1] else indent + ("  " if len(lines) > 1 else "")
        lines[-1] = before + word
    return "\n".join(lines)


def print_json(value: Any) -> None:
    import json

    sys.stdout.writelines(json.JSONEncoder(indent=2).iterencode(value))  # a large graph is never one text
    sys.stdout.write("\n")


def print_json_rows(name: str, rows: Iterable[Any], rest: Mapping[str, Any]) -> None:
    """One object: a list of rows under that name, each on a line of its own, then the rest.

    For lists that may be long: indented, the standard library writes five times slower.
    """
    import json

    write = json.JSONEncoder(check_circular=False).encode
    sys.stdout.write(f'{{\n  "{name}": [')
    sys.stdout.writelines(f"{',' if place else ''}\n    {write(row)}" for place, row in enumerate(rows))
    sys.stdout.write("\n  ]")
    sys.stdout.writelines(f',\n  "{key}": {write(value)}' for key, value in rest.items())
    sys.stdout.write("\n}\n")


def lay_out(rows: Sequence[Row], width: int) -> Iterator[str]:
    """Lines of at most `width` columns where the names and facts allow it."""
    columns = _fact_widths(rows)
    room = max(_NAME_LEAST, width - sum(columns) - len(_GAP) * len(columns))
    names = [row.name if visible(row.name) <= room else row.shorter or row.name for row in rows]
    widths = [visible(name) for name, row in zip(names, rows, strict=True) if row.facts]
    name_width = min(room, max(widths, default=0))
    for name, row in zip(names, rows, strict=True):
        yield from _row_lines(name, row, name_width, columns)


def visible(text: str) -> int:
    """Columns that a text takes, colours aside."""
    return len(click.unstyle(text)) if "\x1b" in text else len(text)


def state_word(fresh: bool | None) -> str:
    """fresh, stale or unknown, in its colour."""
    if fresh is None:
        return click.style("unknown", fg="yellow")
    return click.style("fresh", fg="green") if fresh else click.style("stale", fg="red", bold=True)


def _fact_widths(rows: Sequence[Row]) -> list[int]:
    count = max((len(row.facts) for row in rows), default=0)
    return [max(visible(row.facts[i]) for row in rows if i < len(row.facts)) for i in range(count)]


def _row_lines(name: str, row: Row, name_width: int, columns: Sequence[int]) -> Iterator[str]:
    if visible(name) > name_width and row.facts:
        yield name
        name = row.carry
    cells = [_padded(name, name_width)] + [
        _padded(fact, width) for fact, width in zip(row.facts, columns, strict=False)
    ]
    yield _GAP.join(cells).rstrip()
    yield from row.notes


def _padded(text: str, width: int) -> str:
    return text + " " * (width - visible(text))
