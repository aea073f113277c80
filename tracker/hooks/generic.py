"""Our own form, for forges that no other kind knows and for hooks of plain repositories.

`{"repository": "https://…", "ref": "refs/heads/main", "before": "…", "after": "…"}`, and for a pull request
`{"repository": "https://…", "commit": "…", "pull_request": {"number": 7, "head": "…", "base": "…"}}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from tracker.events.body import as_object, listed, text
from tracker.events.push import BadEvent
from tracker.hooks import fields


def read_generic(body: Any, headers: Mapping[str, str]) -> Iterator[SourceEvent]:
    """What is left out is not known; whoever writes this form can mend it."""
    event = as_object(body, "an event")
    if text(event, "ref") or "pull_request" not in event:
        yield from _push(event)
    else:
        yield _pull_request(event)


def _push(event: dict[str, Any]) -> Iterator[SourceEvent]:
    found = fields.ref(event.get("ref"))
    if found is None:
        raise BadEvent("ref is neither refs/heads/BRANCH nor refs/tags/TAG")
    yield SourceEvent(
        provider=Provider.GENERIC,
        delivery=fields.delivery(event, "delivery"),
        urls=_urls(event),
        happening=found[0],
        ref=found[1],
        commit=fields.commit(event.get("after"), "after"),
        old_commit=fields.commit_or_none(event.get("before")),
        message=fields.message(event),
        paths=_paths(event),
        default_branch=fields.branch(event.get("default_branch")),
    )


def _pull_request(event: dict[str, Any]) -> SourceEvent:
    pull = as_object(event.get("pull_request"), "a pull request")
    head = fields.named(pull.get("head"), "pull_request.head")
    number = fields.number(pull.get("number"), "pull_request.number")
    return SourceEvent(
        provider=Provider.GENERIC,
        delivery=fields.delivery(event, "delivery"),
        urls=_urls(event),
        happening=Happening.PULL_REQUEST,
        ref=head,
        commit=fields.commit(event.get("commit"), "commit"),
        old_commit=fields.commit_or_none(event.get("before")),
        message=fields.message(event),
        paths=_paths(event),
        default_branch=fields.branch(event.get("default_branch")),
        pull=PullRequest(
            number=number,
            action=text(pull, "action"),
            head=head,
            base=fields.named(pull.get("base"), "pull_request.base"),
            from_fork=pull.get("from_fork") is not False,
            refs=(f"refs/pull/{number}/head",),
        ),
    )


def _urls(event: dict[str, Any]) -> tuple[str, ...]:
    told = event.get("repository")
    return fields.urls(*(listed(told, "repository") if isinstance(told, list) else [told]))


def _paths(event: dict[str, Any]) -> frozenset[str] | None:
    told = event.get("paths")
    return fields.paths([{"modified": told}], are_all=True) if isinstance(told, list) else None
