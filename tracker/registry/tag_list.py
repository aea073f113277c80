"""Pages of a list of tags: what one holds, and how the next is asked for. Pure; fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable

import httpx

from graph.errors import InvalidReference
from graph.reference import ImageRef
from rebuild.images.registry import RegistryRefused
from tracker.registry.manifest import read_object

PAGE = 1000  # tags asked for at once; registries give fewer if they like
_NEXT = re.compile(r'<([^<>]*)>\s*(?:;[^,]*?)?;\s*rel\s*=\s*"?next"?(?![a-z])', re.IGNORECASE)


def path_of(repository: str) -> str:
    return f"/v2/{repository}/tags/list"


def read_tags(what: str, body: bytes) -> tuple[str, ...]:
    """The tags of one page; none where it says null, as registries do of an empty repository."""
    tags = read_object(what, body).get("tags")
    if not isinstance(tags, list | None):
        raise RegistryRefused(f"{what}: its tags are not a list")
    for tag in tags or ():
        if not isinstance(tag, str) or not _is_tag(tag):
            raise RegistryRefused(f"{what}: {str(tag)[:80]!r} in its list is no tag")
    return tuple(tags or ())


def next_query(what: str, base: str, repository: str, links: Iterable[str]) -> str | None:
    """What stands behind the path of the next page, None after the last. `base` is the registry's address.

    Of a link the query counts, and nothing else: our proof of who we are goes to no other place.
    """
    target = next((match[1] for match in map(_NEXT.search, links) if match), None)
    if target is None:
        return None
    here = httpx.URL(f"{base}{path_of(repository)}")
    try:
        there = here.join(target)
    except httpx.InvalidURL:
        raise RegistryRefused(f"{what}: the link to its next page is no URL") from None
    if (there.scheme, there.host, there.port, there.path) != (here.scheme, here.host, here.port, here.path):
        raise RegistryRefused(
            f"{what}: the link to its next page leads elsewhere, to {there.scheme}://{there.netloc.decode()}",
            hint="a proxy before the registry has to tell it by which name it is asked",
        )
    return there.query.decode("ascii")


def _is_tag(text: str) -> bool:
    try:
        return len(text) <= 128 and ImageRef.parse(f"x/x:{text}").tag == text
    except InvalidReference:
        return False
