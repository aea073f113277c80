"""How often registries are asked, as the settings say. Asks none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracker.settings.settings import Settings
from tracker.watching.watch import Intervals

_NONE: Mapping[str, int] = MappingProxyType({})


def intervals_of(settings: Settings, doublings: Mapping[str, int] = _NONE) -> Intervals:
    """`doublings` by place, where events prove reliable."""
    named = {host: section.interval for host, section in settings.registries.items()}
    by_registry_s = {host: interval for host, interval in named.items() if interval is not None}
    return Intervals(
        settings.watch.interval,
        {"docker.io": max(900.0, settings.watch.interval)} | by_registry_s,
        sweep_s=settings.watch.sweep,
        doublings=doublings,
    )
