"""An ignore file: which one counts for a folder, and its patterns as Docker reads them. Matches no path."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from rebuild.context.fault import ContextError

FILE_BYTES_MOST = 1024 * 1024
_SPECIAL = re.compile(r"[*?\[\]\\]")
DEFAULTS = tuple(
    f"**/{name}" for name in (".git", ".gitignore", ".bzr", ".bzrignore", ".hg", ".hgignore", ".svn", ".venv")
)  # left out at any depth, unless a rule of the file brings them back


ALWAYS_SENT = (
    ".dockerignore",
    "Dockerfile",
    "Containerfile",
)  # of a folder that any of its files may be built


def ignore_file(folder: Path, dockerfile: Path | None) -> Path | None:
    """`Dockerfile.dockerignore` beside the Dockerfile, else the `.dockerignore` of the folder, if any."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore") if dockerfile else None
    for path in (own, folder / ".dockerignore"):
        if path is not None and path.is_file():
            return path
    return None


def patterns_of(file: Path | None) -> list[str]:
    """The patterns of an ignore file, none where there is no file."""
    return parse(_read(file)) if file else []


def parse(text: str) -> list[str]:
    """The patterns of an ignore file, cleaned, a `!` in front of exceptions."""
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        exception = pattern.startswith("!")
        pattern = pattern[1:].strip() if exception else pattern
        pattern = clean(pattern).removeprefix("/") or "/" if pattern else ""
        patterns.append(f"!{pattern}" if exception else pattern)
    return patterns


def exceptions_for(files: Iterable[str]) -> list[str]:
    """Patterns that bring files of a folder back, whatever the rules before them say; of others none."""
    names = (clean(file) for file in files if not file.startswith("/"))
    inside = (name for name in names if name.split("/")[0] not in (".", ".."))
    return ["!" + _SPECIAL.sub(r"\\\g<0>", name) for name in inside]


def text_of(patterns: list[str]) -> str:
    """An ignore file with these patterns, in words that every engine reads alike."""
    return "".join(f"\\{pattern}\n" if pattern.startswith("#") else f"{pattern}\n" for pattern in patterns)


def clean(path: str) -> str:
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned  # POSIX keeps two slashes, Go does not


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(FILE_BYTES_MOST + 1)
    if len(content) > FILE_BYTES_MOST:
        raise ContextError(f"{file} is larger than {FILE_BYTES_MOST} bytes, which no ignore file is")
    return content.decode(errors="replace")
