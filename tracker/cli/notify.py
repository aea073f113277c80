"""`tracker notify`: try the channels of the settings, and see what waits to go out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from graph.clock import from_text, now
from graph.errors import WrongUse
from graph.record import dataclass
from tracker.cli.habits import json_option
from tracker.cli.main import Place, report
from tracker.cli.seen import seen
from tracker.cli.table import Row, print_json, print_rows
from tracker.remote.service import ServerAsked, server_options
from tracker.wording import ago, counted

if TYPE_CHECKING:
    from rebuild.runs.outbox import Lane
    from tracker.outbound.channel import Channel
    from tracker.outbound.delivery import Delivery
    from tracker.outbound.dispatch import Dispatch


@click.group()
def notify() -> None:
    """Those who are told how runs and waves end: the sections notify.NAME of the settings."""


@notify.command("test")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option("Print one JSON array.")
@click.pass_obj
def test(place: Place, names: tuple[str, ...], as_json: bool) -> int:
    """Send a test to the channels called NAME, or to all, and print what each receiver says.

    It is sent from here, once, whether the service runs or not. Exit status 1: somebody did not take it.
    """
    channels = _channels(place, names)
    tried = asyncio.run(_try_all(channels))
    if as_json:
        print_json([one.plain for one in tried])
    else:
        for one in tried:
            _print(one)
    return 0 if all(one.is_delivered for one in tried) else 1


@notify.command("waiting")
@json_option("Print one JSON array.")
@server_options
@click.pass_obj
def waiting(place: Place, as_json: bool, server: ServerAsked) -> None:
    """List what waits to go out, oldest first, with what came of the last try."""
    from tracker.views.waiting import WaitingMessages, waiting_view

    messages = seen(place, server, "waiting", WaitingMessages, waiting_view).messages
    if as_json:
        print_json(messages)
    elif messages:
        at = now()
        heads = Row("TO", ("BY", "ABOUT", "SINCE", "TRIED", "NEXT TRY"))
        print_rows(heads, [_row(message, at) for message in messages])
    else:
        click.echo("nothing waits to go out", err=True)


def _row(message: Mapping[str, Any], at: datetime) -> Row:
    return Row(
        message["to"],
        (
            message["by"],
            message["about"],
            ago(from_text(message["since"]), at),
            counted(message["tries"], "try", "tries"),
            ago(from_text(message["next_try_at"]), at),
        ),
        notes=(f"  {message['error']}",) if message["error"] else (),
    )


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of a test for one address."""

    channel: str
    by: str
    to: str
    delivery: Delivery

    @property
    def is_delivered(self) -> bool:
        from tracker.outbound.delivery import Delivered

        return isinstance(self.delivery, Delivered)

    @property
    def said(self) -> str:
        from tracker.outbound.delivery import Delivered

        return self.delivery.answer if isinstance(self.delivery, Delivered) else self.delivery.why

    @property
    def hint(self) -> str | None:
        return getattr(self.delivery, "hint", None)

    @property
    def plain(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "by": self.by,
            "to": self.to,
            "delivered": self.is_delivered,
            "said": self.said,
            "hint": self.hint,
        }


def _channels(place: Place, names: Iterable[str]) -> list[Channel]:
    from tracker.outbound.channel import channels_of
    from tracker.settings.reading import load
    from tracker.state import find_config

    config = find_config(place.config)
    known = channels_of(load(config).notify)
    if not known:
        raise WrongUse(
            "the settings name nobody to tell",
            hint="write a section [notify.NAME] with urls or a webhook: docs/notifications.md",
        )
    if unknown := [name for name in names if name not in known]:
        raise WrongUse(
            f"there is no section notify.{unknown[0]} in the settings",
            hint=f"there are: {', '.join(sorted(known))}",
        )
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


async def _try_all(channels: Iterable[Channel]) -> list[_Tried]:
    from tracker.outbound.dispatch import Dispatch

    dispatch = Dispatch({}, now)
    return await asyncio.gather(
        *(_try(dispatch, channel, lane) for channel in channels for lane in channel.lanes)
    )


async def _try(dispatch: Dispatch, channel: Channel, lane: Lane) -> _Tried:
    from tracker.outbound.address import shown
    from tracker.outbound.document import of_test

    document = of_test(channel.name, now())
    delivery = await dispatch.tell(channel, lane, f"msg_{uuid.uuid4().hex}", document)
    which = f", address {lane.target + 1}" if len(channel.lanes) > 1 else ""
    to = f"{shown(channel.addresses[lane.target])}{which}"
    return _Tried(channel.name, str(channel.kind), to, delivery)


def _print(tried: _Tried) -> None:
    line = f"{tried.channel}: {tried.to}: {tried.said}"
    if tried.is_delivered:
        click.echo(line)
    else:
        report(line, tried.hint)
