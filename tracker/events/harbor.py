"""Harbor's webhooks, in its own form and as CloudEvents.

https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracker.events.body import as_object, inner, listed, needed, text
from tracker.events.push import BadEvent, Push, pushes_of

_WHAT = "a webhook of Harbor"
_DATA = {  # under which key the type of an event has its resources
    "PUSH_ARTIFACT": "event_data",
    "pushImage": "event_data",  # before 2.0
    "harbor.artifact.pushed": "data",
}


def read_harbor(body: Any, registry: str | None = None) -> Iterator[Push]:
    """One push for each tagged resource."""
    event = as_object(body, _WHAT)
    if not text(event, "type"):
        raise BadEvent(f'the body is not {_WHAT}: it has no "type"')
    key = _DATA.get(event["type"])
    if key is None:
        return
    told = needed(event, key, _WHAT)
    for resource in listed(told.get("resources"), "the webhook"):
        host, _, rest = text(resource, "resource_url").partition("/")
        name = text(inner(told, "repository"), "repo_full_name") or rest.partition("@")[0].partition(":")[0]
        tag, digest = text(resource, "tag"), text(resource, "digest")
        if tag != digest:  # untagged, its digest stands in the tag's place
            yield from pushes_of(registry or host, name, tag, digest)
