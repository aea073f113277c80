"""A text that must not be seen. Knows nothing of where it came from or whom it opens a door to."""

from __future__ import annotations

import hmac
from typing import NoReturn

HIDDEN = "***"


class Secret:
    """A password, token or key. Printed, formatted, logged or put in an f-string it is `***`.

    `reveal()` is the only way to the text; call it where the text leaves for its one reader.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return HIDDEN

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: the copy would hold its text in the clear")


# For a value that nobody knows yet: it may stand wherever a text may, in names of images and as base64, too.
UNKNOWN = Secret("tracker0unknown0secret00")
