"""What every kind of push event comes down to. Knows no sender's format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from graph.errors import InvalidReference, WrongUse
from graph.record import dataclass
from graph.reference import DEFAULT_REGISTRY, Digest, ImageRef
from rebuild.secrets.web_url import is_loopback


class BadEvent(WrongUse):
    """A body that is not what its source sends."""


@dataclass(frozen=True, slots=True)
class Push:
    """A tag that a registry says was pushed. `digest` is None where the source does not tell."""

    host: str
    repository: str
    tag: str
    digest: Digest | None

    def names(self) -> Iterator[ImageRef]:
        """The tag at the host as the sender calls itself, and where that is the loopback, under the other
        names of the same port."""
        return (ImageRef(host, self.repository, self.tag) for host in _hosts_of(self.host))


def pushes_of(host: Any, repository: Any, tag: Any, digest: Any = None) -> Iterator[Push]:
    """The push of a tag, out of what a sender wrote; none where that names no tag of a registry.

    One event that makes no sense spoils no other of the same body.
    """
    if not (isinstance(host, str) and isinstance(repository, str) and isinstance(tag, str) and tag):
        return
    try:
        name = ImageRef.parse(f"{host}/{repository}:{tag}")
        pointed_to = Digest.parse(digest) if isinstance(digest, str) and digest else None
    except InvalidReference:
        return
    if name.registry == host and name.tag == tag:
        # On Docker Hub alpine is library/alpine; elsewhere a name is what it says.
        yield Push(host, name.repository if host == DEFAULT_REGISTRY else repository, tag, pointed_to)


def _hosts_of(host: str) -> Iterable[str]:
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    name = name if colon else host
    if not is_loopback(name.strip("[]")):
        lower = host.lower()  # a sender calls itself as some client wrote it
        return dict.fromkeys((host, lower, lower.removesuffix(":443")))
    suffix = f":{port}" if colon else ""
    return dict.fromkeys((host, f"localhost{suffix}", f"127.0.0.1{suffix}", f"[::1]{suffix}"))
