"""Settings as they were written, in TOML and in the environment. Checks only their syntax; light to import.

Reading commands take the few settings that they need from here, because checking them all costs more
time than such a command may take.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph.errors import WrongUse
from graph.record import dataclass

if TYPE_CHECKING:
    from graph.staleness import Limits

PREFIX = "TRACKER__"
DEFAULT_WORKERS = 2
FILE_BYTES_MOST = 1024 * 1024
_UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class ConfigError(WrongUse):
    """Settings that the operator must change; the message lists every fault with its path."""


@dataclass(frozen=True, slots=True)
class Written:
    """Settings by name, and for each dotted name that somebody wrote, who did: the file or a variable."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a dotted name, such as `watch.settle`."""
        found: Any = self.values
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return found

    @property
    def variables(self) -> list[str]:
        """Those of the environment that count."""
        return sorted({origin for origin in self.origins.values() if origin.startswith(PREFIX)})


def read_written(path: Path | None, environment: Mapping[str, str] = os.environ) -> Written:
    """What the file says, with what the environment says on top."""
    values = _read(path) if path else {}
    origins = dict.fromkeys(_names(values), str(path))
    for variable in sorted(environment):
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower().replace("__", ".")
            _override(values, name, variable, environment[variable])
            origins[name] = variable
    return Written(values, origins)


def limits_of(written: Written) -> Limits:
    """How long decisions hold back, by these settings."""
    from graph.staleness import Limits

    usual = Limits()
    delays = written.get("rebuild.retry_delays", usual.retry_delays_s)
    if not isinstance(delays, list | tuple) or not delays:
        raise _unusable("rebuild.retry_delays", delays)
    return Limits(
        settle_s=_seconds(written, "watch.settle", usual.settle_s),
        settle_most_s=_seconds(written, "watch.settle_most", usual.settle_most_s),
        retry_delays_s=tuple(_checked_s("rebuild.retry_delays", delay) for delay in delays),
    )


def workers_of(written: Written) -> int:
    """How many runs go side by side."""
    workers = written.get("rebuild.workers", DEFAULT_WORKERS)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise _unusable("rebuild.workers", workers)
    return workers


def duration_s(value: object) -> object:
    """Seconds from `90`, `"90s"`, `"15m"`, `"1h30m"`, `"30d"`; what is no text is handed back as it is."""
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", value, re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is not a duration such as '30s', '15m', '1h30m' or '30d'")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def duration_text(seconds: float) -> str:
    """The other way: `1h30m` for 5400."""
    text, left_ms = "", round(seconds * 1000)
    for unit, unit_s in _UNITS_S.items():
        count, left_ms = divmod(left_ms, round(unit_s * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MOST + 1)
        if len(content) > FILE_BYTES_MOST:
            raise ConfigError(f"{path}: a settings file has at most {FILE_BYTES_MOST} bytes")
        return _toml(content.decode("utf-8-sig"))  # editors on Windows begin a file with a mark
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="make the file readable for this user") from error
    except ValueError as error:
        raise ConfigError(
            f"{path}: {error}", hint="the file is TOML in UTF-8: section heads in [brackets], text quoted"
        ) from error


def _toml(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _names(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _names(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def _override(values: dict[str, Any], name: str, variable: str, text: str) -> None:
    """`TRACKER__WATCH__INTERVAL=1m` sets `watch.interval`; values that read as TOML are taken as such."""
    *sections, key = name.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"{variable}: {section!r} is a setting, not a section", hint=f"unset {variable}"
            )
        values = inner
    values[key] = _value(text)


def _value(text: str) -> Any:
    try:
        parsed = _toml(f"value = {text}")
    except ValueError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _seconds(written: Written, name: str, default: float) -> float:
    return _checked_s(name, written.get(name, default))


def _checked_s(name: str, value: object) -> float:
    try:
        seconds = duration_s(value)
    except ValueError:
        raise _unusable(name, value) from None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e10:
        raise _unusable(name, value)
    return float(seconds)


def _unusable(name: str, value: object) -> ConfigError:
    return ConfigError(
        f"setting {name}: {value!r} cannot be used", hint="'tracker config check' shows every fault"
    )
