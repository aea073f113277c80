"""Azure Container Registry: its own webhooks, and its events by Event Grid in either schema.

https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference
https://learn.microsoft.com/azure/event-grid/event-schema-container-registry
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracker.events.body import as_object, inner, listed, text
from tracker.events.distribution import read_event
from tracker.events.push import BadEvent, Push

_PUSHED = "Microsoft.ContainerRegistry.ImagePushed"
_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


def read_webhook(body: Any, registry: str | None = None) -> Iterator[Push]:
    """One event of the distribution registry, without its envelope."""
    event = as_object(body, "a webhook of a container registry")
    if not text(event, "action"):
        raise BadEvent('the body is not a webhook of a container registry: it has no "action"')
    yield from read_event(event, registry)


def read_grid(body: Any, registry: str | None = None) -> Iterator[Push]:
    """A list of events, or a single CloudEvent."""
    for event in _events(body):
        if _type(event) == _PUSHED:
            yield from read_event(inner(event, "data"), registry)


def validation_code(body: Any) -> str | None:
    """What Event Grid wants to hear once, before it sends anything; None where it asks for nothing."""
    codes = (
        text(inner(event, "data"), "validationCode") for event in _events(body) if _type(event) == _VALIDATION
    )
    return next(filter(None, codes), None)


def _events(body: Any) -> list[Any]:
    events = list(listed(body, "the body")) if isinstance(body, list) else [body]
    if not any(_type(event) for event in events):
        raise BadEvent("the body is not of Event Grid: no event in it has a type")
    return events


def _type(event: Any) -> str:
    return text(event, "eventType") or text(event, "type")
