"""Asks registries what images of others say that they stand on, each digest once. Decides nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Container, Iterable
from dataclasses import replace

import structlog

from graph.database import immediate
from graph.errors import StoreBusy
from graph.hearsay import next_unasked
from graph.model import Manifests
from graph.reference import DEFAULT_REGISTRY, Digest, ImageRef
from graph.store import GraphStore
from rebuild.images.registry import RegistryError, RegistryRefused
from tracker.registry import RegistryClient

ASKED_MOST = 100  # digests in one go: looking further back must not use up what builds may ask
PULLS_KEPT = 0.5  # of a registry's quota this part is left to builds and polls

log = structlog.get_logger()

Question = tuple[ImageRef, Digest]


class Ancestry:
    """Looks into what builds used, then into what that names, until nothing is left to ask.

    A word may name any host: only registries that a build or a setting here names, those in `trusted`,
    are asked. `connect` opens the database for reading, for a thread.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        client: RegistryClient,
        *,
        connect: Callable[[], sqlite3.Connection],
        trusted: Container[str],
    ) -> None:
        self._sql = connection
        self._client = client
        self._connect = connect
        self._trusted = trusted
        self._refused: set[Question] = set()
        self._finished_at: int | None = None  # the newest build when nothing was left to ask

    async def work(self) -> None:
        """`ask`, for the clock of the service: costs one look at the newest build where nothing is new."""
        try:
            asked = await self.ask()
        except (StoreBusy, sqlite3.OperationalError) as error:
            log.warning("cannot note what images say of their bases", error=str(error))
            return
        if asked:
            log.info("looked for the bases of other people's images", digests=asked)

    async def ask(self) -> int:
        """Ask about what nobody has looked into, at most `ASKED_MOST`; answers how many digests that were."""
        newest = self._newest_build()
        if newest == self._finished_at:
            return 0
        asked = 0
        while asked < ASKED_MOST:
            questions = (await asyncio.to_thread(self._unasked))[: ASKED_MOST - asked]
            if not questions:
                self._finished_at = newest
                break
            answered = await self._ask_all(questions)
            asked += answered
            if not answered:  # every registry that is left is in trouble, or nearly used up
                break
        return asked

    def _newest_build(self) -> int:
        return int(self._sql.execute("SELECT coalesce(max(id), 0) FROM builds").fetchone()[0])

    def _unasked(self) -> list[Question]:
        connection = self._connect()
        try:
            found = next_unasked(connection)
            known = {ref.registry: _is_known(connection, ref.registry) for ref, _ in found}
        finally:
            connection.close()
        return [
            question
            for question in found
            if question not in self._refused
            and (known[question[0].registry] or question[0].registry in self._trusted)
        ]

    async def _ask_all(self, questions: Iterable[Question]) -> int:
        """One after another at each registry, the registries side by side."""
        grouped: dict[str, list[Question]] = {}
        for question in questions:
            grouped.setdefault(question[0].registry, []).append(question)
        self._client.prepare(reference for group in grouped.values() for reference, _ in group)
        return sum(await asyncio.gather(*(self._ask_one_registry(group) for group in grouped.values())))

    async def _ask_one_registry(self, questions: Iterable[Question]) -> int:
        answered = 0
        for reference, digest in questions:
            if self._nearly_used_up(reference.registry):
                break
            try:
                found = await self._client.look_into(reference, digest)
            except RegistryRefused:  # no fuss: a stranger may name what is not there, or not for us
                self._refused.add((reference, digest))
            except RegistryError:  # whoever polls the same registry tells of it; the next round tries again
                break
            else:
                self._remember(found)
            answered += 1
        return answered

    def _remember(self, found: Manifests) -> None:
        said = {found.digest: None, **found.said}  # an index within an index is not asked for ever
        with immediate(self._sql):
            GraphStore(self._sql).remember_manifests(replace(found, said=said))

    def _nearly_used_up(self, registry: str) -> bool:
        budget = self._client.budgets().get(registry)
        if budget is None or budget.pulls_left is None or not budget.pulls_limit:
            return False
        return budget.pulls_left < budget.pulls_limit * PULLS_KEPT


def trusted_registries(named: Iterable[str]) -> frozenset[str]:
    """Docker Hub, which names without a registry mean, and those that the settings name."""
    return frozenset({DEFAULT_REGISTRY, *named})


def _is_known(connection: sqlite3.Connection, registry: str) -> bool:
    """Whether a build here used or made an image of that registry."""
    row = connection.execute(
        "SELECT 1 FROM images WHERE name >= ? AND name < ? AND origin <> 'said' LIMIT 1",
        (f"{registry}/", f"{registry}0"),  # 0 follows /
    ).fetchone()
    return row is not None
