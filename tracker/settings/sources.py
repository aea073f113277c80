"""The settings about git repositories: polling, statuses, the forges that they lie on, keys for ssh."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from rebuild.context.reach import SshFiles
from tracker.forges.kind import ForgeKind
from tracker.settings.values import BaseUrl, Interval, Seconds


class SourceSettings(Struct, frozen=True):
    """How tasks hear of commits besides webhooks, and who hears of their runs."""

    poll: bool = True
    poll_interval: Interval = 300.0
    poll_interval_with_webhooks: Interval = 3600.0
    statuses: bool = True
    statuses_tried_for: Seconds = 86400.0


class SshSection(Struct, frozen=True):
    """A key for git over ssh, and the keys that its hosts are known by."""

    key_file: Path | None = None
    known_hosts_file: Path | None = None

    def __post_init__(self) -> None:
        for name in ("key_file", "known_hosts_file"):
            path = getattr(self, name)
            if path is not None and not path.is_absolute():
                raise ValueError(f"{name} must be a whole path, such as /etc/tracker/{name}")

    @property
    def files(self) -> SshFiles:
        return SshFiles(self.key_file, self.known_hosts_file)


class ForgeSection(Struct, frozen=True):
    """One git server; every key has a default."""

    kind: ForgeKind | None = None  # None: what its name, or a webhook of it, says
    api: BaseUrl | None = None
    poll_interval: Interval | None = None
    statuses: bool | None = None
    ca_file: Path | None = None
