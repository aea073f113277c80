"""Turns an answer's status into the error that says who must act. Sends nothing, retries nothing."""

from __future__ import annotations

import json
import math
from datetime import datetime

from graph.reference import DEFAULT_REGISTRY
from rebuild.images.registry import NotFound, RateLimited, RegistryError, RegistryRefused, RegistryUnavailable
from tracker.registry.budget import read_http_date, read_retry_after
from tracker.registry.hosts import tls_hint
from tracker.registry.wire import Answer

_PASSING = frozenset({408, 421, 425})
_WORDS_MOST = 200


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """What the answer asks to wait. A date in it is read by the server's own clock where it tells it."""
    server_now = read_http_date(answer.headers.get("date")) or now
    return read_retry_after(answer.headers.get("retry-after"), server_now)


def is_rate_limit(answer: Answer) -> bool:
    return answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers)


def error_of(
    registry: str, what: str, answer: Answer, *, pause_s: float | None = None, is_plain: bool = False
) -> RegistryError:
    """The error for any status that is no success. `pause_s`: how long a rate limit closes the gate;
    `is_plain`: whether it was asked over plain http."""
    said = f"{registry}: {what}: HTTP {answer.status}{_words(answer.body)}"
    if is_rate_limit(answer):
        until = "" if pause_s is None else f"; it is not asked again for {math.ceil(pause_s)} s"
        more = "Docker Hub grants more to who is logged in: tracker login docker.io"
        hint = more if registry == DEFAULT_REGISTRY else None
        return RateLimited(f"{said}: too many requests{until}", hint=hint, retry_after_s=pause_s)
    if answer.status == 404:
        hint = "check the name and the tag; a registry may also hide what this login must not see"
        return NotFound(f"{registry}: {what}: no such image", hint=hint)
    if answer.status == 401:
        return RegistryRefused(
            f"{said}: it does not exist or may not be pulled",
            hint=f"check the name, or log in: tracker login {registry}",
        )
    if answer.status == 403:
        return RegistryRefused(said, hint=f"this login may not pull it: check its rights on {registry}")
    if answer.status == 400 and is_plain:  # Go's servers say so to whoever does not speak TLS
        return RegistryRefused(said, hint=tls_hint(registry))
    if answer.status in _PASSING or answer.status >= 500 or answer.status < 400:
        return RegistryUnavailable(said)
    return RegistryRefused(said)


def _words(body: bytes) -> str:
    """The registry's own explanation, shortened and without control characters."""
    try:
        document = json.loads(body)
        first = document["errors"][0]
        text = f"{first.get('code', '')}: {first.get('message', '')}"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return ""
    shown = "".join(c if c.isprintable() else " " for c in text)[:_WORDS_MOST]
    return f" ({shown})"
