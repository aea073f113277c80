"""What can go wrong with a forge, by who must act.

ForgeError         the forge did not do what it was asked
  ForgeRefused     the token may not: it lacks a scope, or the repository is not its; not tried again as it is
  ForgeUnavailable no answer, or one that may be better later
"""

from __future__ import annotations

from graph.errors import TrackerError


class ForgeError(TrackerError):
    """A forge did not do what it was asked."""


class ForgeRefused(ForgeError):
    """The forge will answer so until somebody acts."""


class ForgeUnavailable(ForgeError):
    """Worth asking again, after `retry_after_s` where the forge says when."""

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
