"""What builds may know of earlier ones, read from the graph. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from graph.following import Followings
from graph.model import BaseContent, Manifests
from graph.reference import Digest, ImageRef
from graph.store import GraphStore
from rebuild.images.resolve import LastBuild


class GraphMemory:
    """`rebuild.images.resolve.Memory` on the database."""

    def __init__(self, store: GraphStore) -> None:
        self._store = store

    def known_manifests(self, digest: Digest) -> Manifests | None:
        return self._store.known_manifests(digest)

    def content_of(self, digest: Digest) -> BaseContent | None:
        return self._store.content_of(digest)

    def used(self, images: Sequence[ImageRef], written: ImageRef) -> Sequence[str]:
        return Followings(self._store.connection).used(images, written)

    def newest_build(self, reference: ImageRef) -> LastBuild | None:
        newest = self._store.newest_build(reference)
        return LastBuild(*newest) if newest is not None else None
