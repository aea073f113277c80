"""How much a file may ask of the scan before it is refused. Knows nothing of what the work is."""

from __future__ import annotations


class Unreadable(Exception):
    """A word that breaks a rule; whoever knows the place turns it into a `DockerfileError`."""


class Budget:
    """Characters that one scan may still write or compare.

    Ten ARG lines that each name the one before ten times ask for ten thousand million characters.
    """

    __slots__ = ("_left", "_most")

    def __init__(self, most: int) -> None:
        self._left = self._most = most

    def spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise Unreadable(f"the variables of this file expand to more than {self._most:,} characters")
