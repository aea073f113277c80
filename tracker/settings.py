"""Every setting: its name, type, default and bounds; read from TOML and the environment, checked all at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from graph.errors import WrongUse

PREFIX = "TRACKER__"
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ConfigError(WrongUse):
    """Settings that the operator must change; the message lists every fault with its path."""


def duration_s(value: object) -> object:
    """Seconds from `90`, `"90s"`, `"15m"`, `"1h30m"`, `"30d"`."""
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is not a duration such as '30s', '15m', '1h30m' or '30d'")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


Seconds = Annotated[float, BeforeValidator(duration_s), Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Serve(_Section):
    """The service's own address."""

    listen: str = Field("127.0.0.1:8484", pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")


class Watch(_Section):
    """How often registries are asked, and when a change counts."""

    interval: Seconds = Field(300.0, ge=1)
    settle: Seconds = 0.0
    settle_most: Seconds = 3600.0


class Rebuild(_Section):
    """How builds are carried out."""

    workers: int = Field(2, ge=1, le=256)
    timeout: Seconds = Field(3600.0, gt=0)
    reproducible: bool = False
    retry_delays: tuple[Seconds, ...] = Field((30.0, 300.0, 3600.0, 7200.0, 14400.0, 28800.0), strict=False)
    keep_logs: Seconds = 30 * 86400.0


class RegistrySection(_Section):
    """One registry; every key has a default."""

    interval: Seconds | None = Field(None)
    requests_per_minute: int | None = Field(None, ge=1)
    connections: int = Field(16, ge=1, le=128)
    insecure: bool = False
    ca_file: Path | None = Field(None, strict=False)
    connect_timeout: Seconds = 5.0
    read_timeout: Seconds = 30.0


class EventSource(_Section):
    """A sender of push events."""

    secret: str | None = None
    secret_file: Path | None = Field(None, strict=False)
    registry: str | None = None


class Settings(_Section):
    """The whole file."""

    state: Path | None = Field(None, strict=False)
    registry: str = "docker.io"
    engine: Literal["auto", "podman", "docker"] = "auto"
    engine_storage: Path | None = Field(None, strict=False)
    serve: Serve = Serve()
    watch: Watch = Watch()
    rebuild: Rebuild = Rebuild()
    registries: dict[str, RegistrySection] = {}
    events: dict[Literal["distribution"], EventSource] = {}


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings; raise `ConfigError` with every fault."""
    values = _read(path) if path else {}
    for name in sorted(environment):
        if name.startswith(PREFIX):
            _override(values, name, environment[name])
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_place(fault['loc'])}: {_said(fault)}" for fault in error.errors())
        where = str(path) if path else "the environment"
        raise ConfigError(
            f"{where}: settings are not valid:\n{faults}", hint="docs/settings.md explains every setting"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}", hint="the file is TOML: section heads in [brackets], text quoted") from error


def _override(values: dict[str, Any], name: str, text: str) -> None:
    """`TRACKER__WATCH__INTERVAL=1m` sets `watch.interval`; values that read as TOML are taken as such."""
    *sections, key = [part.lower() for part in name.removeprefix(PREFIX).split("__")]
    for section in sections:
        values = values.setdefault(section, {})
    try:
        values[key] = tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        values[key] = text


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(file)"


def _said(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such setting"
    return str(fault["msg"]).removeprefix("Value error, ")
