"""A body as JSON, taken apart without trust in its shape. Knows no sender's format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from tracker.events.push import BadEvent

EVENTS_MOST = 1_000
_FORM = b"payload="
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> Any:
    """What the body says. Raises `BadEvent`."""
    written = _unpacked(body)
    try:
        value = json.loads(written.decode("utf-8-sig"))  # by itself json looks for UTF-16 and UTF-32 first
        if not _SURROGATE.search(written):
            return value
        # Half of a pair is text to json, and to nobody else: neither SQLite nor a terminal takes it.
        return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise BadEvent(f"the body is not JSON: {error}") from None


def _unpacked(body: bytes) -> bytes:
    """GitHub and Gitea may be set up to send a form, with the JSON as its one field."""
    return unquote_to_bytes(body[len(_FORM) :].replace(b"+", b" ")) if body.startswith(_FORM) else body


def as_object(value: Any, what: str) -> dict[str, Any]:
    """The body as an object. Raises `BadEvent` that says what it should be: `a notification of …`."""
    if not isinstance(value, dict):
        raise BadEvent(f"the body is not {what}: it is no JSON object")
    return value


def needed(parent: dict[str, Any], key: str, what: str) -> dict[str, Any]:
    """The object without which the body is none of its kind. Raises `BadEvent`."""
    value = parent.get(key)
    if not isinstance(value, dict):
        raise BadEvent(f'the body is not {what}: it has no object "{key}"')
    return value


def inner(parent: Any, *keys: str) -> dict[str, Any]:
    """The object that the keys lead to, empty where they lead nowhere."""
    for key in keys:
        parent = parent.get(key) if isinstance(parent, dict) else None
    return parent if isinstance(parent, dict) else {}


def text(parent: Any, key: str) -> str:
    """The text under the key, empty where there is none."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, str) else ""


def listed(value: Any, what: str) -> Iterable[Any]:
    """The entries of a list, none where it is no list. Raises `BadEvent` for more than `EVENTS_MOST`."""
    if not isinstance(value, list):
        return ()
    if len(value) > EVENTS_MOST:
        raise BadEvent(f"{what} has {len(value)} events, over the limit of {EVENTS_MOST}")
    return value
