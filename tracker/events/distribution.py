"""The notifications of the distribution registry: `{"events": […]}`, media types v1 and v2.

Only pushes of tagged manifests count: blobs, pulls, deletes and pushes by digest move no tag.
https://distribution.github.io/distribution/about/notifications/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracker.events.body import inner, listed
from tracker.events.push import BadEvent, Push, pushes_of

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


def read_envelope(envelope: Any, registry: str | None = None) -> Iterator[Push]:
    """The pushes of one envelope; `registry` overrides the host that the sender calls itself by."""
    events = envelope.get("events") if isinstance(envelope, dict) else None
    if not isinstance(events, list):
        raise BadEvent('the body is not a notification envelope: it has no list "events"')
    for event in listed(events, "the envelope"):
        yield from read_event(event, registry)


def read_event(event: Any, registry: str | None = None) -> Iterator[Push]:
    """The push that one event tells of, if it does."""
    if not isinstance(event, dict) or event.get("action") != "push":
        return
    target, host = inner(event, "target"), registry or inner(event, "request").get("host")
    media_type = target.get("mediaType")  # who leaves it out names a tag, which only manifests have
    if media_type is None or (isinstance(media_type, str) and media_type in _MANIFESTS):
        yield from pushes_of(host, target.get("repository"), target.get("tag"), target.get("digest"))
