"""The files that the settings name: which of them cannot be read. Says nothing of what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from graph.record import dataclass
from rebuild.engines.workers import TLS_FILES
from tracker.settings.settings import Settings

_CREDENTIALS = Path("/run/credentials")  # systemd makes and fills it when it starts a service


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that a setting names and that this process cannot open."""

    setting: str
    path: Path
    error: OSError

    def __str__(self) -> str:
        return f"{self.setting}: {self.path}: {self.error.strerror}"

    @property
    def is_missing_for_all(self) -> bool:
        """Whether the service would not find it either, as its user and under systemd."""
        return isinstance(self.error, FileNotFoundError) and not self.path.is_relative_to(_CREDENTIALS)


def unreadable_files(settings: Settings) -> list[UnreadableFile]:
    """In the order of the settings."""
    return [
        UnreadableFile(setting, path, error)
        for setting, path in _files(settings)
        if (error := _fault_of(path)) is not None
    ]


def _files(section: Struct | Mapping[Any, Any], before: str = "") -> Iterator[tuple[str, Path]]:
    entries = asdict(section) if isinstance(section, Struct) else section
    for name, value in entries.items():
        if isinstance(value, Struct | Mapping):
            yield from _files(value, f"{before}{name}.")
        elif isinstance(value, Path) and name.endswith("_file"):
            yield f"{before}{name}", value
        elif isinstance(value, Path) and name == "tls":
            yield from ((f"{before}{name}", value / file) for file in TLS_FILES)


def _fault_of(path: Path) -> OSError | None:
    try:
        path.open("rb").close()
    except OSError as error:
        return error
    return None
