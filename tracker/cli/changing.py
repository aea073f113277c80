"""What every command that changes something begins with: here one transaction, or a service that is asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from graph.clock import now
from graph.database import immediate
from tracker.change import Change
from tracker.cli.looking import find_place
from tracker.cli.main import Place
from tracker.equipping import cipher_of
from tracker.remote.asked_json import Route
from tracker.remote.service import ServerAsked


@contextlib.contextmanager
def changing(place: Place) -> Iterator[Change]:
    """Open the database for writing, and commit at the end if nothing was raised."""
    state, _ = find_place(place)
    connection = state.write()
    try:
        with immediate(connection):
            yield Change(connection, cipher_of(state.folder, os.environ), now())
    finally:
        connection.close()


def changed(place: Place, server: ServerAsked, route: Route, change_here: Callable[[Change], Any]) -> Any:
    """What comes of a change: of one made here, or of the same asked of a service by its route."""
    service = server.for_change(place)
    if service is not None:
        return service.ask(*route)
    with changing(place) as change:
        return change_here(change)
