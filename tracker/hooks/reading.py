"""A body of any forge to what happened in its repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rebuild.sources.event import Provider, SourceEvent
from tracker.events.body import parse
from tracker.hooks.azure import read_azure
from tracker.hooks.bitbucket import read_bitbucket
from tracker.hooks.fields import DELIVERY_MOST
from tracker.hooks.generic import read_generic
from tracker.hooks.github import read_gitea, read_github
from tracker.hooks.gitlab import read_gitlab

# They say what a body is about, and which message it is.
HOOK_HEADERS = frozenset(
    {
        "x-github-event",
        "x-github-delivery",
        "x-gitea-event",
        "x-gitea-delivery",
        "x-forgejo-event",
        "x-forgejo-delivery",
        "x-gitlab-event-uuid",
        "x-event-key",
        "x-request-uuid",
        "x-request-id",
    }
)

_READERS: Mapping[Provider, Callable[[Any, Mapping[str, str]], Iterator[SourceEvent]]] = {
    Provider.GITHUB: read_github,
    Provider.GITLAB: read_gitlab,
    Provider.GITEA: read_gitea,
    Provider.BITBUCKET: read_bitbucket,
    Provider.AZURE: read_azure,
    Provider.GENERIC: read_generic,
}


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those without which the body could not be read again; `headers` by their names in small letters."""
    return {name: value[:DELIVERY_MOST] for name, value in headers.items() if name in HOOK_HEADERS}


def read_events(provider: Provider, body: bytes, headers: Mapping[str, str]) -> tuple[SourceEvent, ...]:
    """What happened, in the order in which it is told; none where the body tells of something else.

    Raises `BadEvent` where the body is not what such a forge writes.
    """
    return tuple(_READERS[provider](parse(body), headers))
