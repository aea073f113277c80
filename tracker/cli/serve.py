"""`tracker serve`: the service in the foreground."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from graph.errors import WrongUse
from tracker.cli.main import Place
from tracker.state import find_config, find_state

if TYPE_CHECKING:
    from tracker.settings.settings import Address


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where to listen, instead of the setting serve.listen.")
@click.pass_obj
def serve(place: Place, listen: str | None) -> None:
    """Run the service: watch the bases, decide what is stale, rebuild it in order.

    It stays in the foreground and stops at SIGTERM or Ctrl-C; builds that are under way then go back to
    the queue and are done when it runs again.
    """
    import uvloop
    from msgspec.structs import replace

    from tracker import log
    from tracker.daemon import Daemon
    from tracker.service import Supervisor
    from tracker.settings.named_files import unreadable_files
    from tracker.settings.reading import load, refusal

    config = find_config(place.config)
    settings = load(config)
    if unreadable := unreadable_files(settings):
        raise refusal(config, unreadable, hint="the service's user must be able to read these files")
    if listen is not None:
        settings = replace(settings, serve=replace(settings.serve, listen=_address(listen)))
    log.set_up()
    daemon = Daemon(settings, find_state(place.state, config), Supervisor.of())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(daemon.run())


def _address(text: str) -> Address:
    from tracker.settings.settings import Address

    try:
        return Address(text)
    except ValueError as error:
        raise WrongUse(f"--listen {text!r}: {error}") from None
