"""Every setting: its name, type, default and bounds; checked all at once. Reads no file itself."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from graph.errors import InvalidReference
from graph.reference import DEFAULT_REGISTRY, ImageRef
from graph.staleness import Limits
from tracker.written_settings import DEFAULT_WORKERS, ConfigError, Written, duration_s, read_written

__all__ = ["ConfigError", "Settings", "duration_s", "load"]

_TEN_YEARS_S = 3650 * 86400.0
_LIMITS = Limits()

Seconds = Annotated[float, BeforeValidator(duration_s), Field(ge=0, le=_TEN_YEARS_S, allow_inf_nan=False)]


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed) or any(c.isspace() for c in text):
        raise ValueError("an address is host:port, such as 127.0.0.1:8484 or [::1]:8484")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"port {port!r} is not a number up to 65535")
    return text


def _registry(host: str) -> str:
    try:
        return ImageRef.parse("app", default_registry=host).registry
    except InvalidReference:
        raise ValueError(f"{host!r} is not a registry: write host or host:port, without https://") from None


Address = Annotated[str, AfterValidator(_address)]
RegistryHost = Annotated[str, AfterValidator(_registry)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Serve(_Section):
    """The service's own address."""

    listen: Address = "127.0.0.1:8484"


class Watch(_Section):
    """How often registries are asked, and when a change counts."""

    interval: Seconds = Field(default=300.0, ge=1)
    settle: Seconds = _LIMITS.settle_s
    settle_most: Seconds = _LIMITS.settle_most_s

    @model_validator(mode="after")
    def _settles_in_time(self) -> Watch:
        if self.settle > self.settle_most:
            raise ValueError("settle must not be longer than settle_most")
        return self


class Rebuild(_Section):
    """How builds are carried out."""

    workers: int = Field(default=DEFAULT_WORKERS, ge=1, le=256)
    timeout: Seconds = Field(default=3600.0, gt=0)
    reproducible: bool = False
    retry_delays: tuple[Seconds, ...] = Field(default=_LIMITS.retry_delays_s, strict=False, min_length=1)
    keep_logs: Seconds = 30 * 86400.0


class RegistrySection(_Section):
    """One registry; every key has a default."""

    interval: Seconds | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    connections: int = Field(default=16, ge=1, le=128)
    insecure: bool | None = None  # None: plain http for loopback hosts, TLS for all others
    ca_file: Path | None = Field(default=None, strict=False)
    connect_timeout: Seconds = Field(default=5.0, gt=0)
    read_timeout: Seconds = Field(default=30.0, gt=0)


class EventSource(_Section):
    """A sender of push events."""

    secret: str | None = Field(default=None, repr=False)
    secret_file: Path | None = Field(default=None, strict=False)
    registry: RegistryHost | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> EventSource:
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("secret and secret_file exclude each other")
        return self


class Settings(_Section):
    """The whole file."""

    state: Path | None = Field(default=None, strict=False)
    registry: RegistryHost = DEFAULT_REGISTRY
    engine: Literal["auto", "podman", "docker"] = "auto"
    engine_storage: Path | None = Field(default=None, strict=False)
    serve: Serve = Serve()
    watch: Watch = Watch()
    rebuild: Rebuild = Rebuild()
    registries: dict[RegistryHost, RegistrySection] = {}
    events: dict[Literal["distribution"], EventSource] = {}


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings; raise `ConfigError` with every fault."""
    return check(read_written(path, environment), path)


def check(written: Written, path: Path | None) -> Settings:
    """Settings as they count; `path` is the file that errors name."""
    try:
        return Settings.model_validate(written.values)
    except ValidationError as error:
        faults = "\n".join(f"  {_fault(fault, written)}" for fault in error.errors())
        raise ConfigError(
            f"{path or 'the environment'}: settings are not valid:\n{faults}",
            hint="docs/settings.md explains every setting",
        ) from None


def setting_names(section: type[BaseModel] = Settings, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted name with its default; `*` stands for the name of a registry or a sender."""
    for key, field in section.model_fields.items():
        inner = _section_in(field.annotation)
        if inner is None:
            yield f"{before}{key}", field.default
        else:
            star = "" if inner is field.annotation else "*."
            yield from setting_names(inner, f"{before}{key}.{star}")


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, alone or by name."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _fault(fault: Any, written: Written) -> str:
    """`watch.interval: Input should be … (it is 0.5, from TRACKER__WATCH__INTERVAL)`."""
    name = ".".join(str(part) for part in fault["loc"] if part != "[key]") or "(file)"
    origin = written.origins.get(name, "")
    notes = []
    if isinstance(fault["input"], str | int | float) and "secret" not in name and not _is_missing(fault):
        notes.append(f"it is {str(fault['input'])[:80]!r}")
    if origin.isupper():
        notes.append(f"from {origin}")
    return f"{name}: {_said(fault, name)}" + (f" ({', '.join(notes)})" if notes else "")


def _is_missing(fault: Any) -> bool:
    return bool(fault["type"] == "extra_forbidden")


def _said(fault: Any, name: str) -> str:
    if not _is_missing(fault):
        return str(fault["msg"]).removeprefix("Value error, ")
    known = [known for known, _ in setting_names()] + list(Settings.model_fields)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return "there is no such setting" + (f"; did you mean {near[0]}?" if near else "")
