"""What a command looks at, as a value: read here, or told by a service. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tracker.cli.looking import looking
from tracker.cli.main import Place
from tracker.remote.service import ServerAsked

View = TypeVar("View")


def seen(
    place: Place,
    server: ServerAsked,
    name: str,
    kind: type[View],
    look_at: Callable[..., View],
    **asked: str | int | None,
) -> View:
    """`look_at(look, **asked)` of this state, or what a service answers to the same under that name."""
    service = server.for_looking(place)
    if service is not None:
        from tracker.remote.views import told_view

        return told_view(service, name, kind, asked)
    with looking(place) as look:
        return look_at(look, **asked)
