"""Reads `WWW-Authenticate`: which ways of authentication a registry offers. Asks nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable

from graph.record import dataclass

# One item of the list: a scheme, or a parameter with a token or a quoted string as its value.
_ITEM = re.compile(
    r"""[\s,]*(?:
        (?P<name>[\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))
      | (?P<scheme>[\w!#$%&'*+.^`|~-]+)(?=[\s,]|$)
    )""",
    re.VERBOSE | re.ASCII,
)
_LENGTH_MOST = 8192


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password with every request."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token from `realm`; `error` says what was wrong with the one that was sent, if any was."""

    realm: str
    service: str
    error: str = ""


Challenge = Basic | Bearer


def read_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges that we can answer, Bearer first; schemes that we do not know are left out."""
    offered = [challenge for header in headers for challenge in _read(header[:_LENGTH_MOST])]
    return tuple(sorted(offered, key=lambda challenge: isinstance(challenge, Basic)))


def _read(header: str) -> Iterable[Challenge]:
    for scheme, parameters in _split(header):
        if scheme == "basic":
            yield Basic()
        elif scheme == "bearer" and "realm" in parameters:
            yield Bearer(
                parameters["realm"],
                parameters.get("service", ""),
                parameters.get("error", ""),
            )


def _split(header: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _ITEM.match(header, position):
        position = match.end()
        if match["scheme"] is not None:
            found.append((match["scheme"].lower(), {}))
        elif found:
            value = match["plain"] if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
            found[-1][1].setdefault(match["name"].lower(), value)
    return found
