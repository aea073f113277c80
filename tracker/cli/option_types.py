"""How the text of an option becomes a value, where several commands take the same kind. Knows no command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import click

from tracker.settings.written import duration_s

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Seconds(click.ParamType[float]):
    """A timeout: a number of seconds, or `90s`, `30m`, `2h`."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from rebuild.tasks.task_edit import TIMEOUT_LEAST_S, TIMEOUT_MOST_S

        text = str(value)
        try:
            seconds = float(str(duration_s(int(text) if text.isdecimal() else text)))
        except (ValueError, OverflowError):
            self.fail(f"{text[:40]!r} is no time: write 3600, 30m or 2h", param, ctx)
        if not TIMEOUT_LEAST_S <= seconds <= TIMEOUT_MOST_S:
            self.fail(f"{text[:40]!r} is not one second to seven days", param, ctx)
        return seconds


class Switch(click.ParamType[bool]):
    """true or false, in any case."""

    name = "boolean"
    _WORDS: ClassVar = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        found = value if isinstance(value, bool) else self._WORDS.get(str(value).lower())
        if found is None:
            self.fail(f"{str(value)[:40]!r} is neither true nor false", param, ctx)
        return found


class PlatformName(click.ParamType[str]):
    """`os/architecture[/variant]`, as one normal text: whoever carries it out may be another machine."""

    name = "platform"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from rebuild.runs.platform_asked import asked_platform

        return str(asked_platform(str(value)))


SECONDS, SWITCH = Seconds(), Switch()


def _one_platform(context: click.Context, option: click.Parameter, platforms: tuple[str, ...]) -> str | None:
    from rebuild.runs.platform_asked import several

    given = list(dict.fromkeys(platforms))
    if len(given) > 1:
        raise several(", ".join(given))
    return given[0] if given else None


# Taken several times so that a second one is not silently the only one that counts.
platform_option = click.option(
    "--platform",
    multiple=True,
    type=PlatformName(),
    callback=_one_platform,
    metavar="OS/ARCH",
    help="Default: that of this machine.",
)


def switch(name: str, text: str) -> Callable[[_Command], _Command]:
    """An option that may stand alone, or with true or false; None where it was not given."""
    return click.option(
        name, is_flag=False, flag_value="true", default=None, type=SWITCH, metavar="[true|false]", help=text
    )
