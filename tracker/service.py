"""Talks to systemd: ready, alive, stopping (sd_notify(3)). Without systemd it says nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import structlog

from graph.record import dataclass

STATUS_LENGTH_MOST = 500  # characters
SEND_TIMEOUT_S = 1.0  # the event loop waits meanwhile

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The notification socket of the service manager, if there is one."""

    address: str | None = None
    watchdog_s: float | None = None  # how often it wants to hear from us at the latest

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Supervisor:
        """As systemd describes itself in the environment."""
        watchdog_us = environment.get("WATCHDOG_USEC")
        meant_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_s = int(watchdog_us) / 1e6 if watchdog_us and meant_for_us else None
        return cls(environment.get("NOTIFY_SOCKET") or None, watchdog_s)

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        self._send(f"STATUS={_line(text)}")

    def stopping(self, status: str) -> None:
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def _send(self, message: str) -> None:
        if self.address is None:
            return
        path = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
                connection.settimeout(SEND_TIMEOUT_S)
                connection.sendto(message.encode(), path)
        except OSError as error:  # nobody listens, or nobody reads: no reason to stop working
            log.warning("the service manager cannot be told", message=message, error=str(error))


def _line(text: str) -> str:
    """A line break would begin another assignment, and might say READY or a process id."""
    return " ".join(text.split())[:STATUS_LENGTH_MOST]
