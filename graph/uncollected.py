"""Holds the search for garbage off while a large graph is walked: rows and numbers form no circles."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """The search goes over all that is held again and again while that grows: a sixth of a plan's time."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()
