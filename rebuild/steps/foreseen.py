"""What a task file would do though values are missing that a run needs. Carries nothing out.

Where a step is refused for want of a value, the file is read once more with a name in the value's place that
may stand wherever a text may. So a plan has every step, and shows `<.Values.NAME>` where nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from graph.record import dataclass
from rebuild.rendering import Prepared
from rebuild.secrets.secret import Secret
from rebuild.steps.task_work import Work, Written, finish_work
from rebuild.taskfile.problem import Problem, TaskFileError
from rebuild.template import TemplateError

_ITEM = re.compile(r"(?P<indent> *)- ")
_VALUE = re.compile(r"\.Values\.(\w+)")
_STAND_IN = re.compile(r"lacking\d+\.invalid")


@dataclass(slots=True)
class _StandIns:
    """Texts in the place of values that are empty, on some lines of the file; on others there is nothing."""

    lines: frozenset[int] | None  # None: stand in for none, only note where it could be
    lacking: list[tuple[int, str]] = field(default_factory=list)  # lines and names
    texts: dict[str, str] = field(default_factory=dict)  # name → what stands for it

    def put(self, line: int, names: tuple[str, ...]) -> str:
        shown = ", ".join(names)
        self.lacking.append((line, shown))
        if self.lines is None or line not in self.lines:
            return ""
        # A registry, a part of a path, a tag, an id: it passes for all of them.
        return self.texts.setdefault(shown, f"lacking{len(self.texts)}.invalid")


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The steps as a plan has them. `refusals` say what a run refuses, and which values it lacks."""

    work: Work
    refusals: tuple[Problem, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # of what stands in, what is lacking

    def lacking(self, shown: object) -> list[str]:
        """What is lacking in a part of the plan, in the order of the file."""
        found = _STAND_IN.findall(str(shown))
        return [name for text, name in self.names.items() if text in found]

    def restored(self, shown: Any) -> Any:
        """A part of the plan, with names in angle brackets for what stands in."""
        match shown:
            case str():
                return (
                    _STAND_IN.sub(lambda match: f"<{self.names[match[0]]}>", shown) if self.names else shown
                )
            case list():
                return [self.restored(item) for item in shown]
            case dict():
                return {key: self.restored(value) for key, value in shown.items()}
            case _:
                return shown


def foresee(
    prepared: Prepared, written: Written, secrets: Mapping[str, Secret], *, strict: bool = False
) -> Foreseen:
    """The steps, also those that only lack a value; raise what a run would for all other faults.

    `strict` refuses them as a run does.
    """
    noted = _StandIns(None)
    try:
        return Foreseen(finish_work(prepared, written, secrets, strict=strict, for_nothing=noted.put))
    except TaskFileError as error:
        lines = _lines_of_items(written.text, (problem.line for problem in error.problems))
        if strict or not any(line in lines for line, _ in noted.lacking):
            raise
        given = _StandIns(lines)
        try:
            work = finish_work(prepared, written, secrets, for_nothing=given.put)
        except (TaskFileError, TemplateError):
            raise error from None  # something else is wrong as well
        refusals = tuple(_refusal(problem, written.text, given) for problem in error.problems)
        return Foreseen(work, refusals, {text: name for name, text in given.texts.items()})


def _refusal(problem: Problem, text: str, given: _StandIns) -> Problem:
    """The fault as a warning, with what is empty around it."""
    lines = _lines_of_items(text, [problem.line])
    empty = dict.fromkeys(name for line, name in given.lacking if line in lines)
    rule = f"{problem.rule}; empty there: {', '.join(empty)}; a run refuses this step"
    values = [f"--set {match[1]}=VALUE" for name in empty for match in _VALUE.finditer(name)]
    return Problem(problem.path, problem.line, rule, f"give {' '.join(values)}" if values else None)


def _lines_of_items(text: str, lines: Iterable[int]) -> frozenset[int]:
    """Those lines, each with all of the list item that it belongs to."""
    written = text.split("\n")
    return frozenset(number for line in lines for number in _item(written, line))


def _item(written: list[str], line: int) -> Iterator[int]:
    at = min(max(line, 1), len(written)) - 1
    key = _key_column(written[at])
    while at > 0 and not _begins_item(written[at], key):
        at -= 1
    match = _ITEM.match(written[at])
    if match is None:  # it belongs to no list
        yield line
        return
    dash = len(match["indent"])
    yield at + 1
    for number, text in enumerate(written[at + 1 :], at + 2):
        inner = text.lstrip()
        if inner and not inner.startswith("#") and len(text) - len(inner) <= dash:
            return
        yield number


def _begins_item(text: str, key: int) -> bool:
    match = _ITEM.match(text)
    return match is not None and len(match["indent"]) < key


def _key_column(text: str) -> int:
    """Where the key of a line begins, behind the dash of an item."""
    match = _ITEM.match(text)
    return match.end() if match else len(text) - len(text.lstrip())
