"""Where a registry keeps the layers of a build step: at `cache_TASK_STEP` beside its image. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence

from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import ImageRef, Platform, names_a_host

QUICK_RUN = "quickrun"  # what stands for the task of a run that has none


@dataclass(frozen=True, slots=True)
class RegistryCache:
    """`reference` is None where the name would be none, and `fault` then says why."""

    reference: ImageRef | None
    fault: str = ""

    def of_platform(self, platform: Platform | None) -> ImageRef | None:
        """A tag of its own for one of several platforms, so that none takes the place of another."""
        if self.reference is None or platform is None:
            return self.reference
        return _cache(self.reference, f"{self.reference.tag}-{str(platform).replace('/', '-')}").reference


def registry_cache(tags: Sequence[str], *, task: str, step: str, registry: str) -> RegistryCache | None:
    """For a step with these `-t`: beside the first that names a registry, else beside the first of all, in
    `registry`. None where no image has a name."""
    if not tags:
        return None
    first = next((tag for tag in tags if names_a_host(tag)), tags[0])
    return _cache(ImageRef.parse(first, default_registry=registry), f"cache_{task or QUICK_RUN}_{step}")


def _cache(beside: ImageRef, tag: str) -> RegistryCache:
    try:
        return RegistryCache(ImageRef.parse(f"{beside.name}:{tag}"))
    except InvalidReference as error:
        return RegistryCache(None, error.message)
