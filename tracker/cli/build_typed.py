"""A build as it was typed: checked as far as this machine can, and the same for every place that does it."""

from __future__ import annotations

from collections.abc import Mapping

from graph.errors import WrongUse
from graph.record import dataclass
from rebuild.context.where import Folder, Source


@dataclass(frozen=True, slots=True)
class BuildTyped:
    """None stands for what was not typed: whoever carries it out has settings for that."""

    context: str
    names: tuple[str, ...]
    dockerfile: str | None
    build_args: Mapping[str, str]
    target: str | None
    platform: str | None
    push: bool
    no_cache: bool
    reproducible: bool | None
    timeout_s: float | None
    follow: tuple[str, ...] = ()

    @property
    def absolute_context(self) -> str:
        """The text of the source; a folder by its whole path. Raises `WrongUse`."""
        source = Source.parse(self.context)
        return str(source.place.path.resolve()) if isinstance(source.place, Folder) else str(source)


def image_name(name: str) -> str:
    if "@" in name:
        raise WrongUse(f"image name {name!r} has a digest, which only the build can tell", hint="name a tag")
    return name


def build_arg(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """`NAME=VALUE`, or `NAME` with the value in the environment."""
    name, given, value = text.partition("=")
    if not name:
        raise WrongUse(f"--build-arg {text!r} has no name", hint="write --build-arg NAME=VALUE")
    return name, value if given else environment.get(name, "")
