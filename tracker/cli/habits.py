"""The options that scripts of `az acr` bring along: taken, told to be without effect, and out of the help.

What has a meaning here is an option of its own command; this module knows only what has none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, TypeVar

import click

from graph.errors import WrongUse
from graph.record import dataclass

_Command = TypeVar("_Command", bound=Callable[..., Any])
_JQ = "jq picks what is wanted: tracker … --json | jq -r …"


class Form(Enum):
    """What stands after an option."""

    VALUE = auto()
    PERHAPS = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Habit:
    """One option, and what there is in its place; nothing is said where there is nothing to say."""

    names: tuple[str, ...]
    instead: str = ""
    form: Form = Form.VALUE

    def parameter(self) -> click.Option:
        """Out of the help, and of what the command is called with."""
        names = [*self.names]
        match self.form:
            case Form.VALUE:
                return click.Option(names, hidden=True, expose_value=False, callback=self._tell)
            case Form.PERHAPS:
                return click.Option(
                    names, is_flag=False, flag_value="", hidden=True, expose_value=False, callback=self._tell
                )
            case Form.NOTHING:
                return click.Option(names, is_flag=True, hidden=True, expose_value=False, callback=self._tell)

    def _tell(self, context: click.Context, option: click.Parameter, value: str | bool | None) -> None:
        if self.instead and value not in (None, False):
            click.echo(f"warning: {self.names[-1]} has no effect: {self.instead}", err=True)


_PLACE = "an image without a registry in its name belongs to the one of the setting 'registry'"
_LOGIN = "'tracker login' and 'tracker task credential' say who asks a registry"
_POOL = "runs are carried out by this machine, or by the one that --server names"
_LOGS = "logs are kept by tracker: see 'tracker task logs'"

PLACES = (
    Habit(("-r", "--registry"), _PLACE),
    Habit(("-g", "--resource-group"), "there are no resource groups"),
    Habit(("--subscription",), "there are no subscriptions"),
)
RUNS = (
    Habit(("--no-format",), form=Form.NOTHING),  # a log is printed byte for byte anyway
    Habit(("--agent-pool",), _POOL),
    Habit(("--auth-mode",), _LOGIN),
    Habit(("--source-acr-auth-id",), _LOGIN),
    Habit(("--log-template",), _LOGS),
)
TASKS = (
    Habit(("--cpu",), "the engine shares the processors among runs"),
    Habit(("--assign-identity",), "see 'tracker task credential'", Form.PERHAPS),
    Habit(
        ("--use-identity",), "there are no managed identities: give --username and --password", Form.PERHAPS
    ),
    Habit(("--with-secure-properties",), "secrets are never shown", Form.NOTHING),
)


def takes(command: click.Command, *habits: Habit) -> click.Command:
    """The command, and those below it, with these options as well."""
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        takes(inner, *habits)
    known = {name for parameter in command.params for name in parameter.opts}
    command.params += [habit.parameter() for habit in habits if known.isdisjoint(habit.names)]
    return command


def json_option(text: str) -> Callable[[_Command], _Command]:
    """Gives a command `--json`, and `--output json` for those who are used to it, as `as_json`."""

    def add(command: _Command) -> _Command:
        @functools.wraps(command)
        def with_json(*arguments: Any, as_json: bool, output: str | None, **more: Any) -> Any:
            return command(*arguments, as_json=as_json or output == "json", **more)

        decorated: Any = click.option("-o", "--output", callback=_known_form, hidden=True)(with_json)
        decorated = click.option("--query", hidden=True, expose_value=False, callback=_no_query)(decorated)
        return click.option("--json", "as_json", is_flag=True, help=text)(decorated)  # type: ignore[no-any-return]

    return add


def _known_form(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is not None and text.lower() not in ("table", "json"):
        raise WrongUse(f"--output {text[:40]!r} is neither table nor json", hint=_JQ)
    return text and text.lower()


def _no_query(context: click.Context, option: click.Parameter, text: str | None) -> None:
    if text is not None:
        raise WrongUse("--query is not known here", hint=_JQ)


def refuse_system_task(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """`quicktask` holds defaults of quick runs there; here they are settings."""
    if wanted:
        raise WrongUse(
            "there is no system task", hint="settings say how quick runs are: see docs/settings.md"
        )
