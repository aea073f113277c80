"""What is wrong in a task file, and where. Knows no rule itself."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field

from graph.dockerfile.error import printable
from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.secrets.mask import masked
from rebuild.secrets.secret import Secret

PROBLEMS_MOST = 50
TEXT_SHOWN_MOST = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault or warning; `line` is 0 where it belongs to no line."""

    path: str
    line: int
    rule: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.rule}"

    @property
    def with_hint(self) -> str:
        """All of it in one line."""
        return f"{self}; {self.hint}" if self.hint else str(self)


class TaskFileError(WrongUse):
    """A task file that cannot be carried out. `problems` are all of its faults, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            super().__init__(str(self.problems[0]), hint=self.problems[0].hint)
            return
        lines = "\n".join(problem.with_hint for problem in self.problems)
        super().__init__(lines, hint=f"the file has {len(self.problems)} faults")


@dataclass(slots=True)
class Problems:
    """Collects what is found while a file is read.

    Lines are those of the file as it was written, to which `original_line` leads from the text that is read.
    `secrets` are hidden in what is said.
    """

    path: str
    original_line: Callable[[int], int] = field(default=lambda line: line)
    secrets: tuple[Secret, ...] = ()
    faults: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def fault(self, line: int, rule: str, *, hint: str | None = None) -> None:
        problem = self._problem(line, rule, hint)
        if problem not in self.faults:  # a field is read by everyone who needs it
            self.faults.append(problem)
        if len(self.faults) >= PROBLEMS_MOST:
            raise TaskFileError(self.faults)

    def warn(self, line: int, rule: str, *, hint: str | None = None) -> None:
        problem = self._problem(line, rule, hint)
        if problem not in self.warnings and not self.is_full:
            self.warnings.append(problem)

    @property
    def is_full(self) -> bool:
        """Whether another warning would not be kept."""
        return len(self.warnings) >= PROBLEMS_MOST

    def stop(self, line: int, rule: str, *, hint: str | None = None) -> TaskFileError:
        """The error to raise where reading on makes no sense."""
        return TaskFileError([*self.faults, self._problem(line, rule, hint)])

    def settle(self, *, strict: bool) -> tuple[Problem, ...]:
        """The warnings; raise where there are faults, or under `strict` anything at all."""
        faults = [*self.faults, *(self.warnings if strict else ())]
        if faults:
            raise TaskFileError(sorted(faults, key=lambda problem: problem.line))
        return tuple(sorted(self.warnings, key=lambda problem: problem.line))

    def _problem(self, line: int, rule: str, hint: str | None) -> Problem:
        return Problem(printable(self.path), line, self._said(rule), self._said(hint) if hint else None)

    def _said(self, text: str) -> str:
        return printable(masked(text, self.secrets) if self.secrets else text)


@contextmanager
def placed(path: str, line: int, secrets: Iterable[Secret]) -> Iterator[None]:
    """Whatever is wrong inside is told with its place in the task file, and without secrets."""
    try:
        yield
    except WrongUse as error:
        problem = Problem(printable(path), line, masked(error.message, secrets))
        raise WrongUse(str(problem), hint=error.hint) from None


def shown(text: str) -> str:
    """A quotation from the file, short."""
    return repr(text if len(text) <= TEXT_SHOWN_MOST else f"{text[:TEXT_SHOWN_MOST]}…")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower()[:TEXT_SHOWN_MOST], by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None
