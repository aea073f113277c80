"""What the operator says of aliases: which names stand for images, and which sources may be fetched.

Light to import, for settings and places of runs hold it. Reads no task file and fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from graph.errors import InvalidReference
from graph.record import dataclass
from graph.reference import ImageRef

_NAME = re.compile(r"[a-zA-Z0-9]+")

RUN_ALIASES: Mapping[str, str] = {
    name: f"{{{{.Run.{name}}}}}"
    for name in (
        "ID",
        "SharedVolume",
        "Registry",
        "RegistryName",
        "Date",
        "OS",
        "Architecture",
        "Commit",
        "Branch",
    )
}
# Served to everybody, without a login. `cmd: az …` and the others count on the entry points of just these.
IMAGE_ALIASES: Mapping[str, str] = {
    "acr": "mcr.microsoft.com/acr/acr-cli:0.19",
    "az": "mcr.microsoft.com/acr/azure-cli:2ff604c",
    "bash": "mcr.microsoft.com/acr/bash:2ff604c",
    "curl": "mcr.microsoft.com/acr/curl:2ff604c",
    "cssc": "mcr.microsoft.com/acr/cssc:2ff604c",
}


@dataclass(frozen=True, slots=True)
class FetchRules:
    """How far a source that is a URL may lead."""

    private_addresses: bool = False
    timeout_s: float = 2.0  # for all of one source


@dataclass(frozen=True, slots=True)
class AliasRules:
    """The aliases of images by name, and how sources are fetched; None: no URL is."""

    images: Mapping[str, str] = field(default_factory=lambda: IMAGE_ALIASES)
    fetch: FetchRules | None = FetchRules()


def is_alias_name(text: str) -> bool:
    """Whether a directive and this text are taken for an alias: letters and digits only."""
    return _NAME.fullmatch(text) is not None


class AliasName(str):
    """The name of an alias of an image, as the operator writes it."""

    __slots__ = ()

    def __new__(cls, text: str) -> AliasName:
        if not is_alias_name(text):
            raise ValueError(f"{text[:80]!r} is no name of an alias: it has letters and digits only")
        if text in RUN_ALIASES:
            raise ValueError(f"{text!r} stands for .Run.{text}; take another name")
        return super().__new__(cls, text)


class AliasImage(str):
    """What such a name stands for: an image, perhaps with a template in it, or nothing."""

    __slots__ = ()

    def __new__(cls, text: str) -> AliasImage:
        if text and "{{" not in text:
            try:
                ImageRef.parse(text)
            except InvalidReference as error:
                raise ValueError(error.message) from None
        return super().__new__(cls, text)


def image_aliases(changes: Mapping[AliasName, AliasImage]) -> dict[str, str]:
    """The predefined aliases of images with the operator's; an empty text takes a name away."""
    images: dict[str, str] = dict(IMAGE_ALIASES)
    images.update(changes.items())
    return {name: image for name, image in images.items() if image}
