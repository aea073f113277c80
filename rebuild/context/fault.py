"""What can go wrong with a context, and how its messages keep passwords out. Fetches nothing.

ContextError   the context cannot be had: refused, broken, gone; exit code 1
  Unsafe       it holds something that would leave its folder, or that no context may hold
  TooLarge     a limit ended it: bytes, files, names, seconds
"""

from __future__ import annotations

import re

from graph.errors import TrackerError
from rebuild.secrets.secret import HIDDEN, Secret

_USER_OF_URL = re.compile(r"(?<=://)[^\s/]*@")
_QUERY_OF_URL = re.compile(r"(://[^\s?'\"]*\?)[^\s'\"]+")


class ContextError(TrackerError):
    """The context cannot be fetched or packed."""


class Unsafe(ContextError):
    """What came would write outside its folder, or holds what no context may hold."""


class TooLarge(ContextError):
    """More than the limits allow."""


def masked(text: str, *secrets: Secret) -> str:
    """The text without these secrets, and without what URLs in it carry of such: user part and query."""
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), HIDDEN)
    return _QUERY_OF_URL.sub(rf"\1{HIDDEN}", _USER_OF_URL.sub(f"{HIDDEN}@", text))
