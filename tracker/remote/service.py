"""Which service a command speaks with, if any: the one that was named, or that of the state folder."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from graph.errors import WrongUse
from graph.record import dataclass
from tracker.cli.main import Place
from tracker.state import find_config, find_state

if TYPE_CHECKING:  # HTTP is loaded only where there is a service to speak with
    from tracker.remote.client import Client

HERE = "none"  # asks for no service: work in this process
OF_THE_MACHINE = Path("/run/tracker/tracker.sock")  # of the service that systemd runs
SERVER_VARIABLE = "TRACKER_SERVER"
CA_VARIABLE = "TRACKER_CA_FILE"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Wait(Enum):
    """What a command does once its run is in the queue of a service."""

    LOG = "log"
    OUTCOME = "outcome"  # no log
    NOT = "not"


@dataclass(frozen=True, slots=True)
class ServerAsked:
    """What the options say."""

    server: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None

    def named(self) -> Client | None:
        """The service that was named; None where none was. Raises `WrongUse`."""
        text = self.server or os.environ.get(SERVER_VARIABLE)
        if not text or text == HERE:
            return None
        from tracker.remote.address import WebAddress, parse_address
        from tracker.remote.client import Client
        from tracker.remote.tokens import find_token

        address = parse_address(text)
        token = find_token(str(address), self.token_file, os.environ)
        if token is not None and isinstance(address, WebAddress) and address.is_open:
            click.echo(f"warning: the token goes to {address} in the clear; write https://", err=True)
        ca_file = self.ca_file or _path(os.environ.get(CA_VARIABLE))
        return Client(address, token, ca_file)

    def for_work(self, place: Place) -> Client | None:
        """The service that does the work: the named one, or that of this state folder if it runs."""
        named = self.named()
        if named is not None or self._is_here():
            return named
        return _behind(find_state(place.state, find_config(place.config)).socket)

    def for_looking(self, place: Place) -> Client | None:
        """The service that tells what is known: the named one, or one whose database is not ours to read."""
        named = self.named()
        if named is not None or self._is_here():
            return named
        state = find_state(place.state, find_config(place.config))
        if os.access(state.database, os.R_OK):
            return None
        is_usual = place.state is None and "TRACKER_STATE" not in os.environ
        return _behind(state.socket) or (_behind(OF_THE_MACHINE) if is_usual else None)

    def for_change(self, place: Place) -> Client | None:
        """The service that writes: the named one, or that of this state folder if its database is not ours
        to change."""
        named = self.named()
        if named is not None or self._is_here():
            return named
        state = find_state(place.state, find_config(place.config))
        is_theirs = state.database.exists() and not os.access(state.database, os.W_OK)
        return _behind(state.socket) if is_theirs else None

    def _is_here(self) -> bool:
        return (self.server or os.environ.get(SERVER_VARIABLE)) == HERE


def _behind(socket: Path) -> Client | None:
    """Whoever answers at that socket. Where there is none, nothing is loaded to find that out."""
    try:
        socket.stat()
    except OSError:
        return None
    from tracker.remote.address import UnixAddress, answering

    if not answering(socket):
        return None
    from tracker.remote.client import Client

    return Client(UnixAddress(socket))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def server_options(command: _Command) -> _Command:
    """Gives a command `--server` and what belongs to it, as the one argument `server`."""

    @functools.wraps(command)
    def with_server(
        *arguments: Any, server: str | None, token_file: Path | None, ca_file: Path | None, **more: Any
    ) -> Any:
        return command(*arguments, server=ServerAsked(server, token_file, ca_file), **more)

    options = (
        click.option(
            "--server",
            metavar="URL",
            help=f"The service to ask: https://HOST, unix:/PATH, or {HERE} for this process. "
            f"Default: ${SERVER_VARIABLE}.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Holds the token for it. Default: $TRACKER_TOKEN, ~/.config/tracker/tokens.",
        ),
        click.option(
            "--ca-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"Certificate authorities to trust besides the system's. Default: ${CA_VARIABLE}.",
        ),
    )
    for option in reversed(options):
        with_server = option(with_server)
    return with_server  # type: ignore[return-value]


def wait_options(command: _Command) -> _Command:
    """Gives a command `--no-logs` and `--no-wait`, as the one argument `wait`."""

    @functools.wraps(command)
    def with_wait(*arguments: Any, no_logs: bool, no_wait: bool, **more: Any) -> Any:
        return command(*arguments, wait=wait_of(no_wait, no_logs), **more)

    no_logs = click.option("--no-logs", is_flag=True, help="Wait for the outcome and print no log.")
    no_wait = click.option("--no-wait", is_flag=True, help="Queue the run at the service, and end.")
    return no_logs(no_wait(with_wait))  # type: ignore[return-value]


def wait_of(no_wait: bool, no_logs: bool) -> Wait:
    return Wait.NOT if no_wait else Wait.OUTCOME if no_logs else Wait.LOG


def refuse_to_detach(wait: Wait) -> None:
    """Without a service, nobody carries the run out once the command has ended."""
    if wait is Wait.NOT:
        raise WrongUse(
            "--no-wait needs a service, and none runs here",
            hint="start 'tracker serve', or name one",
        )
