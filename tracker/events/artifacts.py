"""JFrog Artifactory and Sonatype Nexus: managers of many repositories, of which some hold images.

https://docs.jfrog.com/administration/docs/event-types
https://help.sonatype.com/en/example-headers-and-payloads.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tracker.events.body import as_object, needed, text
from tracker.events.push import BadEvent, Push, pushes_of
from tracker.events.sender import Naming, RepositoryIn

_JFROG = "a webhook of Artifactory"
_NEXUS = "a repository webhook of Nexus"
_CACHE = "-cache"
_MANIFEST = re.compile(r"/?v2/(?P<image>.{1,255})/manifests/(?P<tag>[^/]{1,128})")


def read_jfrog(body: Any, naming: Naming) -> Iterator[Push]:
    """A push to a repository, or what a remote one has fetched and keeps in its cache."""
    webhook = as_object(body, _JFROG)
    if not text(webhook, "domain"):
        raise BadEvent(f'the body is not {_JFROG}: it has no "domain"')
    if (webhook["domain"], webhook.get("event_type")) != ("docker", "pushed"):
        return
    told = needed(webhook, "data", _JFROG)
    host, digest = naming.registry or _host_of(text(webhook, "jpd_origin")), text(told, "sha256")
    prefixed = f"sha256:{digest}" if digest and ":" not in digest else digest
    for repository in _pulled_as(text(told, "repo_key")):
        name = _placed(host, repository, text(told, "image_name"), naming, RepositoryIn.PATH)
        yield from pushes_of(*name, told.get("tag"), prefixed)


def read_nexus(body: Any, headers: Mapping[str, str], naming: Naming) -> Iterator[Push]:
    """A component of format docker, or the asset that is its manifest. No digest is told."""
    webhook = as_object(body, _NEXUS)
    event = headers.get("x-nexus-webhook-id")
    if event is not None and event not in ("rm:repository:component", "rm:repository:asset"):
        return
    if not text(webhook, "repositoryName"):
        raise BadEvent(f'the body is not {_NEXUS}: it has no "repositoryName"')
    key = "asset" if "asset" in webhook else "component"
    changed = needed(webhook, key, _NEXUS)
    if webhook.get("action") not in ("CREATED", "UPDATED") or changed.get("format") != "docker":
        return
    image, tag = text(changed, "name"), text(changed, "version")
    if key == "asset":
        manifest = _MANIFEST.fullmatch(image)
        image, tag = (manifest["image"], manifest["tag"]) if manifest else ("", "")
    name = _placed(naming.registry or "", webhook["repositoryName"], image, naming, RepositoryIn.NOWHERE)
    if ":" not in tag:  # a manifest that was asked for by its digest
        yield from pushes_of(*name, tag)


def _host_of(origin: str) -> str:
    """`shop.jfrog.io` out of `https://shop.jfrog.io/`."""
    try:
        return urlsplit(origin).netloc if "://" in origin else origin.partition("/")[0]
    except ValueError:
        return ""


def _pulled_as(repository: str) -> tuple[str, ...]:
    """A remote repository tells of its cache, but images are pulled by the name without that word."""
    bare = repository.removesuffix(_CACHE)
    return (repository,) if bare == repository else (repository, bare)


def _placed(host: str, repository: str, image: str, naming: Naming, usual: RepositoryIn) -> tuple[str, str]:
    """Registry and repository as references have them."""
    repository = naming.repository or repository
    match naming.repository_in or usual:
        case RepositoryIn.PATH:
            return host, f"{repository}/{image}"
        case RepositoryIn.SUBDOMAIN:
            return f"{repository}.{host}", image
        case RepositoryIn.NOWHERE:
            return host, image
