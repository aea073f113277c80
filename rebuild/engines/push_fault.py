"""Whether a push that failed is worth another try, by what the engine printed. Pure.

Engines tell it in words only, and the words are the registry's, the network's or their own; so what
is not known stays unknown, and whoever asks decides what that means.
"""

from __future__ import annotations

import re
from enum import StrEnum


class PushFault(StrEnum):
    """Who must act after a push that failed."""

    REFUSED = "refused"  # credentials or rights: trying again changes nothing
    PASSING = "passing"  # the registry or the network: worth trying again
    UNKNOWN = "unknown"


_REFUSED = re.compile(
    r"unauthorized|authentication required|\bdenied\b|forbidden|no basic auth credentials"
    r"|(?:invalid|incorrect) username(?:/| or )password|status(?: code)?:? 40[13]|name (?:unknown|invalid)"
    r"|certificate signed by unknown authority|server gave HTTP response to HTTPS client",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"too ?many ?requests|\b429\b|\b50[0234]\b|bad gateway|service unavailable|gateway time-?out"
    r"|internal server error|connection (?:refused|reset)|broken pipe|i/o timeout|timeout exceeded"
    r"|deadline exceeded|TLS handshake timeout|no route to host|network is unreachable|no such host"
    r"|temporary failure in name resolution|server misbehaving|unexpected EOF|: EOF\b",
    re.IGNORECASE,
)


def push_fault(log_tail: str) -> PushFault:
    """Judge by the last lines of a failed push: engines retry by themselves and print every try."""
    for line in reversed(log_tail.strip().splitlines()[-10:]):
        if _REFUSED.search(line):
            return PushFault.REFUSED
        if _PASSING.search(line):
            return PushFault.PASSING
    return PushFault.UNKNOWN
