"""Slash-separated paths as text; no file is looked at."""

from __future__ import annotations

import posixpath

from rebuild.template.function import functions
from rebuild.template.value import Value


def base(path: str) -> Value:
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def clean(path: str) -> Value:
    cleaned = posixpath.normpath(path) if path else "."
    return cleaned[1:] if cleaned.startswith("//") else cleaned  # POSIX keeps two slashes, Go does not


def dir_(path: str) -> Value:
    return clean(path[: path.rfind("/") + 1])


def ext(path: str) -> Value:
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


def isAbs(path: str) -> Value:
    return path.startswith("/")


FUNCTIONS = functions(base=base, clean=clean, dir=dir_, ext=ext, isAbs=isAbs)
