"""What comes of sending a message once, and when to try again. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from graph.record import dataclass
from rebuild.runs.outbox import Message


@dataclass(frozen=True, slots=True)
class Delivered:
    """It was taken; `answer` is what the receiver said, for people."""

    answer: str


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """It was not taken. `is_final`: no later try can help. `is_down`: no other message would do better."""

    why: str
    hint: str | None = None
    retry_after_s: float | None = None
    is_final: bool = False
    is_down: bool = False


Delivery = Delivered | NotDelivered


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long, and how often, a message is tried."""

    first_s: float = 5.0
    factor: float = 3.0
    most_s: float = 3600.0
    jitter: float = 0.2  # up to this part of a wait comes on top
    tries_most: int = 30
    age_most_s: float = 86400.0
    rest_most_s: float = 60.0  # of a receiver that is down, for all of its messages

    def delay_s(self, tries: int, chance: float, asked_s: float | None = None) -> float:
        """How long to wait after so many tries; `chance` is between 0 and 1. A receiver may ask for more."""
        waited_s = min(self.most_s, self.first_s * self.factor ** min(tries - 1, 30))
        own_s = waited_s * (1 + self.jitter * chance)
        return own_s if asked_s is None else max(own_s, min(asked_s, self.most_s))

    def rest_s(self, failed: NotDelivered, delay_s: float) -> float:
        """How long the receiver is left alone."""
        if failed.retry_after_s is not None:
            return min(failed.retry_after_s, self.most_s)
        return min(delay_s, self.rest_most_s) if failed.is_down else 0.0

    def is_over(self, message: Message, due_at: datetime) -> bool:
        """Whether there is no next try, which would be then."""
        too_old = due_at - message.created_at > timedelta(seconds=self.age_most_s)
        return too_old or message.tries + 1 >= self.tries_most
