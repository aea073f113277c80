"""Has registries asked about references at once, newer tags first. Chooses no reference."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Sequence

from graph.observing import Watched
from graph.store import GraphStore
from graph.tag_lists import TagLists
from tracker.watching.checking import Checked, chosen_lists, with_newer_tags
from tracker.watching.poller import Poller
from tracker.watching.tag_watch import TagPoller


class AskingNow:
    """What both pollers do by their schedule, for whoever does not want to wait for that."""

    def __init__(self, connection: sqlite3.Connection, tags: TagPoller, poller: Poller) -> None:
        self._sql = connection
        self._tags = tags
        self._poller = poller

    async def ask(self, watched: Sequence[Watched]) -> AsyncGenerator[list[Checked], None]:
        """Answers as they come, written down with the runs that they cause. Raises `StoreBusy`.

        Besides these references, those are asked about that the lists of their repositories lead to.
        """
        wanted = {each.reference for each in watched}
        lists = chosen_lists(TagLists(self._sql), wanted) if wanted else []
        async with contextlib.aclosing(self._tags.ask_now(lists)) as answers:
            async for answer in answers:
                yield [answer]
        asking = with_newer_tags(GraphStore(self._sql), watched, lists)
        async with contextlib.aclosing(self._poller.ask_now(asking)) as batches:
            async for batch in batches:
                yield [*batch]
