"""The log of a run from a service, every byte once, across broken connections. Prints nothing itself."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any

from graph.record import dataclass
from tracker.remote.client import BROKEN, Client, Refused, quoted
from tracker.remote.events import Event, NoEvents, read_events

SILENCE_S = 50.0  # three heartbeats
PATIENCE_S = 600.0  # how long a service may be away


class _OutputGone(Exception):
    """Whoever reads what we print has gone: no fault of the service's connection."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class BackOff:
    """Waits before the next attempt: doubled from one to the next."""

    first_s: float = 0.2
    most_s: float = 5.0

    def waits_s(self) -> Iterator[float]:
        wait_s = self.first_s
        while True:
            yield wait_s
            wait_s = min(self.most_s, wait_s * 2)


@dataclass(slots=True)
class Follower:
    """Follows one run. `follow` may be called again after an interruption: it goes on where it was."""

    client: Client
    run_id: str
    write: Callable[[bytes], None]  # a piece of the log
    standing: Callable[[str], None] = lambda status: None  # it changed
    lost: Callable[[Exception], None] = lambda fault: None  # the connection, the first time in a row
    offset: int = 0
    back_off: BackOff = BackOff()
    patience_s: float = PATIENCE_S
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _heard_at: float = field(default=0.0, init=False)
    _is_lost: bool = field(default=False, init=False)

    def follow(self) -> dict[str, Any]:
        """Until the run has its outcome: the run as the service tells it. Raises what `Client.open` does."""
        self._heard_at = self.clock()
        waits_s = self.back_off.waits_s()
        while True:
            offset = self.offset
            try:
                if (run := self._listen()) is not None:
                    return run
                fault: Exception = ConnectionError("it closed the connection")
            except _OutputGone as gone:
                raise gone.error from gone
            except BROKEN as error:
                fault = error
            except Refused as error:
                if not error.may_pass:
                    raise
                fault = error
            except (NoEvents, ValueError, KeyError, TypeError) as error:
                raise self.client.unreachable(error) from error
            if self.offset != offset:
                waits_s = self.back_off.waits_s()
            self._wait(fault, next(waits_s))

    def _listen(self) -> dict[str, Any] | None:
        """One connection's worth of events; None where it ended before the run did."""
        path = f"/runs/{quoted(self.run_id)}/log/stream"
        headers = {"Last-Event-ID": str(self.offset), "Accept": "text/event-stream"}
        with self.client.open("GET", path, headers=headers, timeout_s=SILENCE_S) as answer:
            for event in read_events(answer):
                self._heard_at, self._is_lost = self.clock(), False
                match event.kind:
                    case "log" | "log64":
                        self._take(event)
                    case "status":
                        self.standing(str(json.loads(event.text)["status"]))
                    case "end":
                        run: dict[str, Any] = json.loads(event.text)
                        return run
                    case _:  # a newer service may say more
                        continue
        return None

    def _take(self, event: Event) -> None:
        piece = bytes_of(event)
        behind = int(event.event_id or "")
        if behind != self.offset + len(piece):
            raise NoEvents(
                f"{len(piece)} bytes of the log end at {behind}, and {self.offset} had come before"
            )
        try:
            self.write(piece)
        except OSError as error:
            raise _OutputGone(error) from error
        self.offset = behind

    def _wait(self, fault: Exception, wait_s: float) -> None:
        if self.clock() - self._heard_at > self.patience_s:
            raise self.client.unreachable(fault) from fault
        if not self._is_lost:
            self._is_lost = True
            self.lost(fault)
        self.sleep(wait_s)


def bytes_of(event: Event) -> bytes:
    """A piece of the log out of its event. Raises `NoEvents`."""
    try:
        if event.kind == "log64":
            return base64.b64decode(event.text, validate=True)
        text = json.loads(event.text)
    except (binascii.Error, ValueError) as error:
        raise NoEvents("a piece of the log that cannot be read") from error
    if not isinstance(text, str):
        raise NoEvents("a piece of the log that is no text")
    return text.encode()
