"""The `tracker` command: finds the sub-command, imports only that, and prints errors. Does no work itself."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoSuchCommand

from graph.errors import TrackerError
from graph.record import dataclass
from tracker import __version__

# name → (module:attribute, help). The texts stand here so that --help imports nothing.
COMMANDS: dict[str, tuple[str, str]] = {
    "build": ("tracker.cli.build:build", "Build an image and record what it was built from."),
    "check": ("tracker.cli.check:check", "Ask the registries now whether a base has moved."),
    "config": ("tracker.cli.config:config", "Check or show the settings."),
    "deps": ("tracker.cli.deps:deps", "The tree of bases of an image, down to the root."),
    "doctor": ("tracker.cli.doctor:doctor", "What works on this machine and what is missing."),
    "graph": ("tracker.cli.graph:graph", "The whole graph as dot, mermaid, JSON or SVG."),
    "images": ("tracker.cli.images:images", "Every image in the graph."),
    "key": ("tracker.cli.key:key", "The key that encrypts stored passwords: check it, renew it."),
    "login": ("tracker.cli.login:login", "Log in to a registry, and remember it as docker does."),
    "logs": ("tracker.cli.runs:logs", "The log of a run, while it grows and afterwards."),
    "notify": ("tracker.cli.notify:notify", "Those who are told how runs end: try them, see what waits."),
    "plan": ("tracker.cli.plan:plan", "What would be rebuilt, in which order, how long it takes."),
    "rdeps": ("tracker.cli.rdeps:rdeps", "What stands on an image."),
    "render": ("tracker.cli.render:render", "A task file with its templates and aliases filled in."),
    "run": ("tracker.cli.run:run", "Carry out a task file or one command, once."),
    "runs": ("tracker.cli.runs:runs", "The runs, newest first."),
    "scan": ("tracker.cli.scan:command", "The bases that a Dockerfile names."),
    "serve": ("tracker.cli.serve:serve", "Run the service: watch, decide, rebuild."),
    "stale": ("tracker.cli.stale:stale", "The images whose bases have moved."),
    "task": ("tracker.cli.task:task", "Saved tasks: create, change, run, watch, remove them."),
    "token": ("tracker.cli.tokens:token", "Tokens with which other programs use the API."),
    "why": ("tracker.cli.why:why", "Why an image is, or is not, about to be rebuilt."),
}

SECTIONS: dict[str, tuple[str, ...]] = {
    "Look at the graph": ("deps", "rdeps", "images", "stale", "why", "plan", "graph", "runs", "logs"),
    "Build": ("build", "run", "task"),
    "Look inside files": ("scan", "render"),
    "Service and machine": ("serve", "check", "config", "doctor", "key", "login", "notify", "token"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where settings and state are, as far as the command line says."""

    config: Path | None = None
    state: Path | None = None


class LazyGroup(click.Group):
    """Imports a sub-command when it is called, so that the others cost nothing."""

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, tuple[str, str]] = COMMANDS,
        sections: Mapping[str, Sequence[str]] | None = None,
        **kept: Any,
    ) -> None:
        """`table` is name → (module:attribute, help); `sections` of the help, title → names."""
        super().__init__(*args, **kept)
        self.table = table
        self.sections = sections or {"Commands": sorted(table)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        is_unknown = args[0] not in self.table and not args[0].startswith("-")
        if is_unknown and not ctx.resilient_parsing:  # a shell that completes is told nothing
            raise NoSuchCommand(args[0], possibilities=self.table, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, self.table))
        for title, names in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:{longest}}", self.table[name][1]) for name in names])


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Data goes to standard output, everything else to standard error. "
    "Exit status: 0 done, 1 failed, 2 wrong use or configuration. "
    "Each command has --help of its own.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The settings file. Default: $TRACKER_CONFIG, ~/.config/tracker/tracker.toml, "
    "/etc/tracker/tracker.toml.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the database and the logs. Default: $TRACKER_STATE, the setting 'state', "
    "/var/lib/tracker for root, else ~/.local/state/tracker.",
)
@click.version_option(__version__, prog_name="tracker")
@click.pass_context
def tracker(ctx: click.Context, config: Path | None, state: Path | None) -> None:
    """Keep container images built on their current bases."""
    ctx.obj = Place(config, state)
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no '├' gets '?', not a traceback
            stream.reconfigure(errors="replace")
    # Modules and rows of the graph hold no circles: looking for some at every 700th object, as is usual,
    # takes a tenth of the time of a command.
    gc.set_threshold(100_000, 50, 100)
    status = run(sys.argv[1:])
    gc.freeze()  # else the interpreter looks for garbage in every module before it ends: 40 ms of a build
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Carry out one command line; answers its exit status."""
    try:
        outcome = tracker.main(arguments, prog_name="tracker", standalone_mode=False)
        if sys.stdout is not None:  # None where whoever called us has closed it
            sys.stdout.flush()
        return outcome if isinstance(outcome, int) else 0
    except BrokenPipeError:  # the reader, head for example, has seen enough
        sys.stderr.close()
        return 0
    except (click.Abort, KeyboardInterrupt):
        report("interrupted", None)
        return 130
    except Exception as error:
        return _told(error)


def _told(error: Exception) -> int:
    """Print what went wrong and the way out; answers the exit status."""
    match error:
        case TrackerError():
            report(error.message, error.hint)
            return error.exit_code
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "tracker COMMAND"
            report(error.format_message(), f"'{path} --help' says what it takes")
            return 2
        case click.ClickException():
            report(error.format_message(), None)
            return error.exit_code
        case OSError():
            _drop_output()
            report(f"{error.filename or 'the output'}: {error.strerror}", _WAYS_OUT.get(error.errno or 0))
            return 1
        case _:
            if os.environ.get("TRACKER_DEBUG"):
                raise error
            report(
                f"a fault of tracker itself: {type(error).__name__}: {error}",
                "with TRACKER_DEBUG=1 it tells where: please report it with that",
            )
            return 1


_WAYS_OUT = {
    errno.ENOSPC: "make room on that disk",
    errno.EACCES: "run it as a user who may do that, or name another place",
    errno.EROFS: "name a place that can be written, with --state for example",
}


def _drop_output() -> None:
    """What is still to be printed has nowhere to go; the interpreter would complain of it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def report(message: str, hint: str | None) -> None:
    """Print an error and the way out of it."""
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
