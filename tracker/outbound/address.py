"""What may be told of an address to send to, and what may not. Knows no channel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from rebuild.secrets.secret import Secret
from rebuild.secrets.web_url import WebUrl

_LEAST = 6  # characters of what may be a token


def shown(address: Secret) -> str:
    """Its scheme and, of a web address, the host: elsewhere a token may stand in the host's place."""
    url = WebUrl.parse(address.reveal())
    if url is None or url.scheme not in ("http", "https"):
        return f"{address.reveal().partition('://')[0][:40]}://…"
    return f"{url.scheme}://{url.authority}/…"


def hidden_parts(address: Secret) -> Iterator[Secret]:
    """The address, and whatever of it may be a token, as it is written and as it is meant."""
    text = address.reveal()
    yield address
    scheme, _, rest = text.partition("://")
    if scheme in ("http", "https"):
        rest = rest.partition("/")[2]
    pieces = re.split(r"[/?&#=@:,;]", rest)
    pieces += [value for _, value in _query(text)]
    yield from (Secret(piece) for each in pieces for piece in (each, unquote(each)) if len(piece) >= _LEAST)


def _query(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(text).query)
    except ValueError:  # no URL as others have them
        return []
