"""The `alias:` part of a task file, cut out line by line: the file need not be YAML before it is rendered."""

from __future__ import annotations

import re

from rebuild.template import NumberedText

_BEGINS = re.compile(r"alias\s*:.*")
_ENDS = re.compile(r"[^\s:]+[^:]*:.*")


def parts(task: NumberedText) -> tuple[NumberedText, NumberedText]:
    """The alias part, empty where there is none, and the rest.

    The part begins at `alias:` in the first column and ends before the next line that has a key there.
    """
    block: list[tuple[int, str]] = []
    rest: list[tuple[int, str]] = []
    inside = False
    for number, line in task.numbered():
        if not inside and _BEGINS.fullmatch(line):
            inside = True
        elif inside and _ENDS.fullmatch(line):
            inside = False
        (block if inside else rest).append((number, line))
    return NumberedText.of_lines(block), NumberedText.of_lines(rest)
