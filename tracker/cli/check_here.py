"""Registries asked by this process: `tracker check` where no service does it. Prints what it waits for."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Collection, Sequence
from functools import partial

import click

from graph.clock import now
from graph.database import immediate
from graph.reference import ImageRef
from graph.store import GraphStore, Source
from graph.tag_lists import TagLists
from rebuild.images.pause import PauseTeller
from tracker.ancestry import Ancestry, trusted_registries
from tracker.cli.main import Place
from tracker.metrics import Metrics
from tracker.registry import POLLING
from tracker.registry.aiohttp_transport import many_questions
from tracker.settings.reading import load
from tracker.settings.settings import Settings
from tracker.state import State, find_config, find_state
from tracker.watching.checking import Checked, Row, chosen, chosen_lists, meant, row_of, with_newer_tags
from tracker.watching.tag_watch import TagAsker, ask_and_note
from tracker.watching.watch import Answer, Asker
from tracker.workshop import registry_client


def check_here(place: Place, references: Sequence[str]) -> list[Row]:
    """Ask, and write down what the registries say."""
    config = find_config(place.config)
    settings, state = load(config), find_state(place.state, config)
    with contextlib.closing(state.write()) as connection:
        wanted = meant(GraphStore(connection), references, registry=settings.registry)
        chosen(GraphStore(connection), wanted)  # refuses names that nobody knows before anybody is asked
        return [row_of(answer) for answer in asyncio.run(_ask(settings, state, connection, wanted))]


async def _ask(
    settings: Settings, state: State, connection: sqlite3.Connection, wanted: Collection[ImageRef]
) -> list[Checked]:
    store, answers = GraphStore(connection), list[Checked]()
    async with registry_client(settings, transport=many_questions) as client:
        patient = client.with_patience(POLLING).telling(PauseTeller(partial(click.echo, err=True)))
        lists = chosen_lists(TagLists(connection), wanted)
        answers += await ask_and_note(connection, TagAsker(patient, now), lists)
        watched = with_newer_tags(store, chosen(store, wanted), lists)
        async for batch in Asker(patient, Metrics(), now).ask_all(watched):
            with immediate(connection):
                for answer in batch:
                    _write(store, answer)
            answers += batch
        trusted = trusted_registries(settings.registries)
        await Ancestry(connection, patient, connect=state.read, trusted=trusted).ask()
    return answers


def _write(store: GraphStore, answer: Answer) -> None:
    if answer.error is not None:
        store.note_failure(answer.watched.image_id, answer.error.message)
    elif answer.manifests is None:
        store.confirm(answer.watched.image_id, answer.at)
    else:
        store.observe(answer.watched.reference, answer.manifests, answer.at, Source.POLL)
