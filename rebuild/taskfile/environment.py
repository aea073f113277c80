"""Environments of task and step: read from `NAME=VALUE` entries, merged, closest first. Starts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graph.dockerfile.budget import Budget
from graph.record import dataclass
from rebuild.command_line import Unclosed, Words, unquote
from rebuild.taskfile.problem import Problems, shown

VALUE_CHARACTERS_MOST = 128 * 1024 - 1  # Linux takes no longer text in an environment
_ENTRY_CHARACTERS = 8  # what an entry costs besides its text

Environment = dict[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """An entry of an `env` list."""

    text: str
    line: int


def read_environment(
    entries: Sequence[Written],
    inherited: Environment,
    *,
    home: str | None,
    problems: Problems,
    budget: Budget,
) -> Environment:
    """Own entries first, then what is inherited and not replaced; each value unquoted as a shell does.

    `$NAME` in a value is what is inherited or stands above; `home` is `$HOME` where nobody sets it.
    """
    own: Environment = {}
    known = ({"HOME": home} if home else {}) | inherited
    for entry in entries:
        name, equals, raw = entry.text.partition("=")
        if not equals:
            _without_value(entry, strictly=bool(inherited) or home is None, problems=problems)
            continue
        if not name.strip() or any(c.isspace() for c in name):
            rule = f"environment entry {_hidden(entry.text)} has no valid name before the '='"
            problems.fault(entry.line, rule, hint="write NAME=VALUE")
            continue
        value = _value(name, raw, entry.line, known, problems)
        own[name] = known[name] = value
    merged = own | {name: value for name, value in inherited.items() if name not in own}
    # What is inherited counts each time: every step gets a copy of it on its command line.
    budget.spend(sum(len(name) + len(value) + _ENTRY_CHARACTERS for name, value in merged.items()))
    return merged


def plain_environment(entries: Iterable[str]) -> Environment:
    """What was typed as NAME=VALUE: taken as it is."""
    return dict(entry.partition("=")[::2] for entry in entries)


def _without_value(entry: Written, *, strictly: bool, problems: Problems) -> None:
    """ACR takes a bare name for its runner's variable, but only where the task has no environment."""
    if strictly:
        problems.fault(
            entry.line, f"environment entry {_hidden(entry.text)} has no '='", hint="write NAME=VALUE"
        )
    else:
        problems.warn(
            entry.line,
            f"environment entry {_hidden(entry.text)} has no value: nothing of this machine's environment"
            " reaches a step",
            hint="write NAME=VALUE",
        )


def _value(name: str, raw: str, line: int, known: Environment, problems: Problems) -> str:
    match unquote(raw, known):
        case Words(words, unset):
            value = words[0] if words else ""
            for missing in unset:
                rule = f"${missing} is empty in the value of {name}: no entry above sets it"
                problems.warn(line, rule, hint=f"write '${missing}' in single quotes to keep it as text")
        case Unclosed(quote):
            problems.fault(
                line,
                f"the value of {name} opens a quote {quote} and does not close it",
                hint="close it, or write a backslash before it",
            )
            return ""
        case fault:
            why = getattr(fault, "construct", "more text than a program takes")
            problems.fault(
                line,
                f"the value of {name} needs a shell: {why}",
                hint="put it into single quotes to keep it as text; compute values in an earlier step",
            )
            return ""
    if len(value) > VALUE_CHARACTERS_MOST:
        problems.fault(line, f"the value of {name} has more than {VALUE_CHARACTERS_MOST:,} characters")
        return ""
    return value


def _hidden(text: str) -> str:
    """An entry in a message: never its value, which may be a secret."""
    return shown(text.partition("=")[0])
