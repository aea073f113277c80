"""What the routes of the API work with, put together by the service."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import datetime

from graph.database import immediate
from graph.observing import Watched
from graph.record import dataclass
from rebuild.images.tools import Tools
from rebuild.runs.uploads import Uploads
from rebuild.secrets.kept_source import FindCipher
from rebuild.tasks.task_edit import Usual as Usual  # what counts where a request does not say
from tracker.change import Change
from tracker.settings.written import Written
from tracker.sources.webhooks import Webhooks
from tracker.state import State
from tracker.tasks.saving import Archive
from tracker.views.look import Look
from tracker.watching.checking import Checked


@dataclass(frozen=True, slots=True)
class Desk:
    """The state, and whom to tell of work. `connection` belongs to the loop: only `async` routes use it."""

    connection: sqlite3.Connection
    state: State
    written: Written
    usual: Usual
    tools: Tools
    cipher: FindCipher
    uploads: Uploads
    archive: Archive
    webhooks: Webhooks
    wake: Callable[[], None]  # there is a new run
    ask_now: Callable[[Sequence[Watched]], AsyncGenerator[list[Checked], None]]  # and write it down
    is_stopping: Callable[[], bool]
    now: Callable[[], datetime]

    @contextlib.contextmanager
    def changing(self) -> Iterator[Change]:
        """One transaction, for an `async` route: nothing may be awaited inside."""
        with immediate(self.connection):
            yield Change(self.connection, self.cipher, self.now())

    @contextlib.contextmanager
    def looking(self) -> Iterator[Look]:
        """One moment of the graph on a connection of its own, for a route that runs in a thread."""
        with contextlib.closing(self.state.read()) as connection:
            connection.execute("BEGIN")
            yield Look(self.state, self.written, connection, self.now())
