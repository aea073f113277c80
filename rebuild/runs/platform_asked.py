"""A platform as somebody asks for it: only what there is. Knows nothing of what an engine can."""

from __future__ import annotations

import difflib

from graph.errors import WrongUse
from graph.reference import Platform

_SYSTEMS = ("linux", "windows", "freebsd")
_ARCHITECTURES = (
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
    "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
)  # fmt: skip


def asked_platform(text: str) -> Platform:
    """Read `linux/arm64`, `linux/arm/v7`, `arm64`; `linux` alone is linux/amd64, as `az acr` has it.

    Raises `WrongUse` for an operating system or an architecture that nobody knows.
    """
    if "," in text:
        raise several(text[:100])
    name = text.strip().lower()
    platform = Platform.of(name, "amd64") if name in _SYSTEMS else Platform.parse(text)
    _check(text, platform.os, _SYSTEMS, "operating system")
    _check(text, platform.architecture, _ARCHITECTURES, "architecture")
    return platform


def several(text: str) -> WrongUse:
    """The error for more platforms than one, where an image for one is asked for."""
    return WrongUse(
        f"platform {text!r}: an image is built for one platform at a time",
        hint="'platforms' of a build step makes several and their index: see docs/task-files.md",
    )


def _check(text: str, word: str, known: tuple[str, ...], what: str) -> None:
    if word not in known:
        near = difflib.get_close_matches(word, known, n=1)
        raise WrongUse(
            f"platform {text[:100]!r}: there is no {what} {word!r}",
            hint=f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}",
        )
