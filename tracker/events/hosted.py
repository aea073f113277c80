"""The webhooks of Docker Hub, Quay and GitHub's registry, of which the first two tell no digest.

https://docs.docker.com/docker-hub/repos/manage/webhooks/
https://docs.quay.io/guides/notifications.html
https://docs.github.com/webhooks/webhook-events-and-payloads#package
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graph.reference import DEFAULT_REGISTRY
from tracker.events.body import as_object, inner, listed, needed, text
from tracker.events.push import BadEvent, Push, pushes_of

_HUB = "a webhook of Docker Hub"
_QUAY = "a push notification of Quay"
_GITHUB = "a package event of GitHub"
_PACKAGE_EVENTS = ("package", "registry_package")


def read_hub(body: Any, registry: str | None = None) -> Iterator[Push]:
    webhook = as_object(body, _HUB)
    repository, pushed = needed(webhook, "repository", _HUB), needed(webhook, "push_data", _HUB)
    yield from pushes_of(registry or DEFAULT_REGISTRY, repository.get("repo_name"), pushed.get("tag"))


def read_quay(body: Any, registry: str | None = None) -> Iterator[Push]:
    """One push for each tag that moved; scans and other notifications name none."""
    notification = as_object(body, _QUAY)
    if not text(notification, "repository"):
        raise BadEvent(f'the body is not {_QUAY}: it has no "repository"')
    host, _, repository = text(notification, "docker_url").partition("/")
    for tag in listed(notification.get("updated_tags"), "the notification"):
        yield from pushes_of(registry or host, repository or notification["repository"], tag)


def read_github(body: Any, headers: Mapping[str, str], registry: str | None = None) -> Iterator[Push]:
    """One version of a package; a ping, and packages that are no images, tell of no push."""
    event = headers.get("x-github-event")
    if event is not None and event not in _PACKAGE_EVENTS:
        return
    webhook = as_object(body, _GITHUB)
    key = event or next((each for each in _PACKAGE_EVENTS if each in webhook), "package")
    package = needed(webhook, key, _GITHUB)
    if webhook.get("action") not in ("published", "updated") or _kind_of(package) != "container":
        return
    owner = text(package, "namespace") or text(inner(package, "owner"), "login")
    tag = inner(package, "package_version", "container_metadata", "tag")
    digest = tag.get("digest") or text(inner(package, "package_version"), "version")
    name = f"{owner}/{text(package, 'name')}".lower()  # people have capitals in their names, images have not
    yield from pushes_of(registry or "ghcr.io", name, tag.get("name"), digest)


def _kind_of(package: dict[str, Any]) -> str:
    return text(package, "package_type").lower()
