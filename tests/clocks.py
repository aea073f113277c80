"""Clocks for tests."""

from __future__ import annotations


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def __call__(self) -> float:
        return self.at_s
