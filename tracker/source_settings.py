"""The settings about git repositories: polling, statuses of commits, the forges that they lie on."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from tracker.forges.kind import ForgeKind
from tracker.setting_types import BaseUrl, Interval, Seconds


class SourceSettings(Struct, frozen=True):
    """How tasks hear of commits besides webhooks, and who hears of their runs."""

    poll: bool = True
    poll_interval: Interval = 300.0
    poll_interval_with_webhooks: Interval = 3600.0
    statuses: bool = True
    statuses_tried_for: Seconds = 86400.0


class ForgeSection(Struct, frozen=True):
    """One git server; every key has a default."""

    kind: ForgeKind | None = None  # None: what its name, or a webhook of it, says
    api: BaseUrl | None = None
    poll_interval: Interval | None = None
    statuses: bool | None = None
    ca_file: Path | None = None
