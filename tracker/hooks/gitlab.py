"""GitLab's payloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rebuild.sources.event import Happening, Provider, PullRequest, SourceEvent
from tracker.events.body import as_object, inner, needed, text
from tracker.hooks import fields


def read_gitlab(body: Any, headers: Mapping[str, str]) -> Iterator[SourceEvent]:
    """The body says itself what it is about."""
    event = as_object(body, "an event of GitLab")
    delivery = headers.get("x-gitlab-event-uuid", "")
    match text(event, "object_kind"):
        case "push" | "tag_push":
            yield from _push(event, delivery)
        case "merge_request":
            yield from _merge_request(event, delivery)
        case _:
            return


def _push(event: dict[str, Any], delivery: str) -> Iterator[SourceEvent]:
    found = fields.ref(event.get("ref"))
    if found is None:
        return
    happening, name = found
    project = needed(event, "project", "a push")
    after, before = fields.commit(event.get("after"), "after"), fields.commit_or_none(event.get("before"))
    if after:  # of an annotated tag `after` is the tag itself
        after = fields.commit_or_none(event.get("checkout_sha")) or after
    commits, total = event.get("commits"), event.get("total_commits_count")
    listed = commits if isinstance(commits, list) else []
    head: dict[str, Any] = next((c for c in listed if isinstance(c, dict) and c.get("id") == after), {})
    yield SourceEvent(
        provider=Provider.GITLAB,
        delivery=delivery,
        urls=_urls(project),
        happening=happening,
        ref=name,
        commit=after,
        old_commit=before,
        message=fields.message(head),
        paths=fields.paths(commits, are_all=before != "" and total == len(listed)),  # it lists 20 at most
        default_branch=fields.branch(project.get("default_branch")),
    )


def _merge_request(event: dict[str, Any], delivery: str) -> Iterator[SourceEvent]:
    request = needed(event, "object_attributes", "a merge request")
    action = text(request, "action")
    if action not in ("open", "reopen") and not (action == "update" and request.get("oldrev")):
        return  # an update without oldrev changed words, not code
    project = needed(event, "project", "a merge request")
    number = fields.number(request.get("iid"), "iid")
    head = fields.named(request.get("source_branch"), "source_branch")
    source, target = request.get("source_project_id"), request.get("target_project_id")
    yield SourceEvent(
        provider=Provider.GITLAB,
        delivery=delivery,
        urls=fields.urls(*_urls(project), inner(request, "target").get("git_http_url")),
        happening=Happening.PULL_REQUEST,
        ref=head,
        commit=fields.commit(inner(request, "last_commit").get("id"), "last_commit.id"),
        old_commit=fields.commit_or_none(request.get("oldrev")),
        message=fields.message(inner(request, "last_commit")),
        default_branch=fields.branch(project.get("default_branch")),
        pull=PullRequest(
            number=number,
            action=action,
            head=head,
            base=fields.named(request.get("target_branch"), "target_branch"),
            from_fork=not isinstance(source, int) or source != target,
            refs=(f"refs/merge-requests/{number}/head",),
        ),
    )


def _urls(project: dict[str, Any]) -> tuple[str, ...]:
    return fields.urls(*(project.get(key) for key in ("git_http_url", "git_ssh_url", "web_url", "http_url")))
