"""`tracker check`: ask the registries now, whatever is due; by the service, or in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from tracker.cli.habits import json_option
from tracker.cli.main import Place
from tracker.cli.table import print_json
from tracker.remote.service import ServerAsked, server_options


@click.command()
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@json_option("Print one JSON array.")
@server_options
@click.pass_obj
def check(place: Place, references: tuple[str, ...], as_json: bool, server: ServerAsked) -> int:
    """Ask the registries now where the watched references point: all of them, or those named.

    Where a service runs on this state folder, or --server names one, it does the asking, and rebuilds what
    stands on a base that has moved. The exit status is 1 if a registry did not answer.
    """
    service = server.for_work(place)
    if service is not None:
        from tracker.remote.check import check_there

        rows: Sequence[Mapping[str, str | None]] = check_there(service, references)
    else:
        from tracker.cli.check_here import check_here

        rows = check_here(place, references)
    _print(sorted(rows, key=lambda row: str(row["reference"])), as_json)
    return 1 if any(row["error"] is not None for row in rows) else 0


def _print(rows: Sequence[Mapping[str, str | None]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    for row in rows:
        note = row["error"] or (f"{_short(row['from'])} -> {_short(row['to'])}" if row["to"] else "")
        click.echo(f"{row['result']:<12} {row['reference']}  {note}".rstrip())
    if not rows:
        click.echo("nothing is watched: no image with bases has been recorded", err=True)


def _short(digest: str | None) -> str:
    return digest.partition(":")[2][:12] if digest else "unknown"
