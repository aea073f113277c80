"""Secrets out of a file that the settings name, one a line. Knows no setting that does."""

from __future__ import annotations

from pathlib import Path

from rebuild.secrets.secret import Secret
from tracker.settings.written import ConfigError

SECRETS_MOST = 10
FILE_BYTES_MOST = 64 * 1024


def secrets_of_file(setting: str, path: Path) -> tuple[Secret, ...]:
    """At least one. Raises `ConfigError`, which names the setting and shows nothing of the file."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MOST + 1).decode()
    except OSError as error:
        raise ConfigError(
            f"{setting}: {path}: {error.strerror}", hint="the service's user must be able to read it"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{setting}: {path} is not UTF-8", hint="write one secret a line") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise ConfigError(f"{setting}: {path} is empty", hint="write one secret a line")
    if len(lines) > SECRETS_MOST or len(text) > FILE_BYTES_MOST:
        raise ConfigError(
            f"{setting}: {path} holds more than {SECRETS_MOST} secrets",
            hint="write one secret a line: the one in use, and the one that takes its place",
        )
    return tuple(map(Secret, lines))
