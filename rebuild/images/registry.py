"""What a build needs to ask of a registry, and the ways in which a registry can refuse. Sends nothing.

RegistryError             exit code 1
  RegistryRefused         no such name, not allowed, not understood: asking again changes nothing
    NotFound              the name does not exist (or is hidden from this identity)
  RegistryUnavailable     5xx, reset, time-out, broken body: worth asking again
    RateLimited           429 or 503 with the time after which it may be asked again
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from graph.errors import TrackerError
from graph.model import Manifests
from graph.record import dataclass
from graph.reference import Digest, ImageRef
from rebuild.images.pause import OnPause


class RegistryError(TrackerError):
    """A registry did not give what was asked for."""


class RegistryRefused(RegistryError):
    """A final answer: asking again changes nothing until somebody acts."""


class NotFound(RegistryRefused):
    """No such tag, digest or repository; registries also answer so to hide a private one."""


class RegistryUnavailable(RegistryError):
    """A passing fault; `retry_after_s` is what the registry asked for, if it did."""

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(RegistryUnavailable):
    """Too many requests."""


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a repository in the order of the registry; `etag` where one answer held them all."""

    tags: tuple[str, ...]
    etag: str | None = None


class Registry(Protocol):
    """Asks registries about images. Each call is retried within its own limits before it raises."""

    def telling(self, on_pause: OnPause) -> Registry:
        """The same, that tells before it waits for a registry."""

    async def digest(self, reference: ImageRef, *, known: Digest | None = None) -> Digest:
        """What the tag points to now: one HEAD, and no second request when that is `known`."""

    async def manifests(self, reference: ImageRef, digest: Digest) -> Manifests:
        """What the digest holds: one GET by digest when it is an index."""

    async def image_config(self, reference: ImageRef, manifest: Digest) -> Mapping[str, Any]:
        """The OCI image config (a JSON object) of one platform's manifest; verified by its digest."""

    async def list_tags(self, reference: ImageRef, *, known: TagList | None = None) -> TagList:
        """All tags of the reference's repository; `known` itself where the registry says that it is so."""

    async def annotations(self, reference: ImageRef, digest: Digest) -> Mapping[str, str]:
        """The annotations of a manifest or index, empty where it has none."""
