"""Parts that payloads of all forges have, checked: commits, refs, paths. Knows no forge."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rebuild.sources.event import Happening
from rebuild.sources.repository_url import URL_MOST
from tracker.events.body import text
from tracker.events.push import BadEvent

DELIVERY_MOST = 200
MESSAGE_MOST = 10_000
PATHS_MOST = 50_000
REF_MOST = 255
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_REF = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff~^:?*\[\\]+")
_KINDS = {"refs/heads/": Happening.PUSH, "refs/tags/": Happening.TAG}


def commit(value: Any, what: str, *, may_be_short: bool = False) -> str:
    """The whole id of a commit, empty for the zeros that stand for none. Raises `BadEvent`."""
    found = value.lower() if isinstance(value, str) else ""
    if not (_SHORT_COMMIT if may_be_short else _COMMIT).fullmatch(found):
        raise BadEvent(f"{what} is no id of a commit")
    return found if found.strip("0") else ""


def commit_or_none(value: Any) -> str | None:
    """The same where the sender may leave it out, or write something else."""
    try:
        return commit(value, "it")
    except BadEvent:
        return None


def named(value: Any, what: str) -> str:
    """The name of a branch or tag. Raises `BadEvent`."""
    name = value if isinstance(value, str) else ""
    if not _REF.fullmatch(name) or len(name) > REF_MOST or ".." in name or name.startswith(("-", "/")):
        raise BadEvent(f"{what} is no name of a branch or tag")
    return name


def ref(value: Any, what: str = "ref") -> tuple[Happening, str] | None:
    """Branch or tag, and its name; None for refs of other kinds. Raises `BadEvent` for what is no ref."""
    full = named(value, what)
    for before, happening in _KINDS.items():
        if full.startswith(before):
            return happening, named(full.removeprefix(before), what)
    return None


def branch(value: Any) -> str | None:
    """A branch by its name or its full ref; None where there is none."""
    name = value.removeprefix("refs/heads/") if isinstance(value, str) else ""
    return name if name and _REF.fullmatch(name) and len(name) <= REF_MOST else None


def number(value: Any, what: str) -> int:
    """The number of a pull request. Raises `BadEvent`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise BadEvent(f"{what} is no number of a pull request")
    return value


def urls(*values: Any) -> tuple[str, ...]:
    """Those that are URLs, each once. Raises `BadEvent` where none is."""
    fit = [v for v in values if isinstance(v, str) and 0 < len(v) <= URL_MOST and v.isprintable()]
    if not fit:
        raise BadEvent("the body does not say which repository it is about")
    return tuple(dict.fromkeys(fit))


def delivery(event: dict[str, Any], key: str) -> str:
    """What the forge calls the message, where the body says that."""
    return text(event, key)[:DELIVERY_MOST]


def message(value: Any) -> str:
    return text(value, "message")[:MESSAGE_MOST]


def paths(commits: Any, *, are_all: bool) -> frozenset[str] | None:
    """What the commits added, changed and removed; None where that is not told, or not of all of them.

    A push that brings no commit, as one that goes back, changes what it does not tell.
    """
    if not isinstance(commits, list) or not commits or not are_all:
        return None
    found: set[str] = set()
    for each in commits:
        lists = [each.get(key) for key in ("added", "modified", "removed")] if isinstance(each, dict) else []
        if not any(isinstance(listed, list) for listed in lists):
            return None
        found.update(_texts(listed for listed in lists if isinstance(listed, list)))
        if len(found) > PATHS_MOST:
            return None
    return frozenset(found)


def _texts(lists: Iterable[list[Any]]) -> Iterable[str]:
    return (path for listed in lists for path in listed if isinstance(path, str) and len(path) <= 4096)
