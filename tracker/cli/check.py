"""`tracker check`: ask the registries now, whatever is due."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3

import click

from graph.clock import now
from graph.database import immediate
from graph.errors import WrongUse
from graph.observing import Watched
from graph.reference import ImageRef
from graph.store import GraphStore, Source
from tracker.ancestry import Ancestry, trusted_registries
from tracker.cli.main import Place
from tracker.metrics import Metrics
from tracker.registry import POLLING
from tracker.registry.aiohttp_transport import many_questions
from tracker.settings import Settings, load
from tracker.state import State, find_config, find_state
from tracker.watch import Answer, Asker, result_of
from tracker.workshop import registry_client


@click.command()
@click.argument("references", nargs=-1, metavar="[REFERENCE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def check(place: Place, references: tuple[str, ...], as_json: bool) -> int:
    """Ask the registries now where the watched references point: all of them, or those named.

    A running service sees what has moved within a second and rebuilds what stands on it. The exit
    status is 1 if a registry did not answer.
    """
    config = find_config(place.config)
    settings, state = load(config), find_state(place.state, config)
    wanted = {ImageRef.parse(text, default_registry=settings.registry) for text in references}
    with contextlib.closing(state.write()) as connection:
        store = GraphStore(connection)
        answers = asyncio.run(_ask(settings, state, connection, _chosen(store, wanted)))
    _print(answers, as_json)
    return 1 if any(answer.error is not None for answer in answers) else 0


def _chosen(store: GraphStore, wanted: set[ImageRef]) -> list[Watched]:
    watched = store.all_watched()
    if unknown := wanted - {each.reference for each in watched}:
        names = ", ".join(sorted(reference.familiar for reference in unknown))
        raise WrongUse(
            f"nothing that was recorded stands on {names}, so that it is not watched",
            hint="'tracker images' lists what is known; write names in full where they are not on Docker Hub",
        )
    return [each for each in watched if not wanted or each.reference in wanted]


async def _ask(
    settings: Settings, state: State, connection: sqlite3.Connection, chosen: list[Watched]
) -> list[Answer]:
    store, answers = GraphStore(connection), list[Answer]()
    async with registry_client(settings, transport=many_questions) as client:
        asker = Asker(client.with_patience(POLLING), Metrics(), now)
        async for batch in asker.ask_all(chosen):
            with immediate(connection):
                for answer in batch:
                    _write(store, answer)
            answers += batch
        trusted = trusted_registries(settings.registries)
        patient = client.with_patience(POLLING)
        await Ancestry(connection, patient, connect=state.read, trusted=trusted).ask()
    return sorted(answers, key=lambda answer: str(answer.watched.reference))


def _write(store: GraphStore, answer: Answer) -> None:
    if answer.error is not None:
        store.note_failure(answer.watched.image_id, answer.error.message)
    elif answer.manifests is None:
        store.confirm(answer.watched.image_id, answer.at)
    else:
        store.observe(answer.watched.reference, answer.manifests, answer.at, Source.POLL)


def _print(answers: list[Answer], as_json: bool) -> None:
    rows = [_plain(answer) for answer in answers]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        note = row["error"] or (f"{_short(row['from'])} -> {_short(row['to'])}" if row["to"] else "")
        click.echo(f"{row['result']:<12} {row['reference']}  {note}".rstrip())
    if not rows:
        click.echo("nothing is watched: no image with bases has been recorded", err=True)


def _plain(answer: Answer) -> dict[str, str | None]:
    observed = answer.watched.observed
    return {
        "reference": str(answer.watched.reference),
        "result": result_of(answer),
        "from": str(observed) if observed else None,
        "to": str(answer.manifests.digest) if answer.manifests else None,
        "error": answer.error.message if answer.error else None,
    }


def _short(digest: str | None) -> str:
    return digest.partition(":")[2][:12] if digest else "unknown"
