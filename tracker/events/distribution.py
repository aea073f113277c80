"""The notifications of the distribution registry: `{"events": […]}`, media types v1 and v2.

Only pushes of tagged manifests count: blobs, pulls, deletes and pushes by digest move no tag.
https://distribution.github.io/distribution/about/notifications/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graph.errors import InvalidReference
from graph.reference import Digest, ImageRef
from tracker.events.push import BadEvent, Push

EVENTS_MOST = 10_000

_MANIFESTS = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)


def read_envelope(body: bytes, *, registry: str | None = None) -> tuple[Push, ...]:
    """The pushes of one envelope; `registry` overrides the host that the sender calls itself by."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"the body is not JSON: {error}") from None
    events = envelope.get("events") if isinstance(envelope, dict) else None
    if not isinstance(events, list):
        raise BadEvent('the body is not a notification envelope: it has no list "events"')
    if len(events) > EVENTS_MOST:
        raise BadEvent(f"the envelope has {len(events)} events, over the limit of {EVENTS_MOST}")
    return tuple(push for event in events for push in _push(event, registry))


def _push(event: Any, registry: str | None) -> Iterator[Push]:
    """The push that one event tells of, if it does. One event that makes no sense spoils no other."""
    target, host = _object(event, "target"), registry or _object(event, "request").get("host")
    if not isinstance(event, dict) or event.get("action") != "push" or not isinstance(host, str):
        return
    media_type = target.get("mediaType")
    if not isinstance(media_type, str) or media_type not in _MANIFESTS:
        return
    repository, tag, digest = target.get("repository"), target.get("tag"), target.get("digest")
    if not isinstance(repository, str) or not isinstance(tag, str) or not tag:
        return
    try:
        name = ImageRef.parse(f"{host}/{repository}:{tag}")
        pointed_to = Digest.parse(digest) if isinstance(digest, str) else None
    except InvalidReference:
        return
    if name.registry == host:
        yield Push(host, repository, tag, pointed_to)


def _object(parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}
