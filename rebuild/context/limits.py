"""How much may be fetched, and how much of it has been. Reads and writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field

from graph.record import dataclass
from rebuild.context.fault import TooLarge

MIB = 1024 * 1024
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one context may cost, whoever wrote it. Names count in bytes, as the kernel counts them."""

    transfer_bytes: int = 2 * GIB
    unpacked_bytes: int = 8 * GIB
    files: int = 500_000  # folders and links count, too
    path_bytes: int = 2048
    depth: int = 100  # folders in folders
    repositories: int = 200  # submodules, and theirs
    redirects: int = 5
    attempts: int = 3
    first_pause_s: float = 0.5  # before the second attempt; doubled before the third
    idle_s: float = 30.0  # between two pieces of an answer
    timeout_s: float = 900.0


@dataclass(slots=True)
class Meter:
    """What has been spent of the limits. `clock` tells seconds, and only differences of it count."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    transferred: int = 0
    unpacked: int = 0
    files: int = 0
    _ends_s: float = field(init=False)
    _stopped: bool = field(default=False, init=False)
    _cuts: list[Callable[[], None]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._ends_s = self.clock() + self.limits.timeout_s

    @property
    def left_s(self) -> float:
        return max(0.0, self._ends_s - self.clock())

    def stop(self) -> None:
        """Ends the work of a thread at its next step, and what it waits for: a thread cannot be cancelled."""
        self._stopped = True
        for cut in self._cuts:
            cut()

    def on_stop(self, cut: Callable[[], None]) -> None:
        """What ends the waiting of a thread; it is called from another one."""
        self._cuts.append(cut)
        if self._stopped:
            cut()

    def check_time(self) -> None:
        if self._stopped:
            raise TooLarge("fetching the context was stopped")
        if self.left_s == 0:
            raise self.too_slow()

    def too_slow(self) -> TooLarge:
        return TooLarge(f"fetching the context took longer than {self.limits.timeout_s:g} s")

    def transfer(self, size: int) -> None:
        self.transferred += size
        if self.transferred > self.limits.transfer_bytes:
            raise TooLarge(f"the context has more than {self.limits.transfer_bytes} bytes to transfer")
        self.check_time()

    def unpack(self, size: int) -> None:
        self.unpacked += size
        if self.unpacked > self.limits.unpacked_bytes:
            raise TooLarge(f"the context has more than {self.limits.unpacked_bytes} bytes unpacked")

    def add(self, name: str) -> None:
        """Count one file, folder or link, and check its name."""
        self.files += 1
        if self.files > self.limits.files:
            raise TooLarge(f"the context has more than {self.limits.files} files")
        length = len(name.encode(errors="surrogateescape"))
        if length > self.limits.path_bytes:
            raise TooLarge(f"{name[:60]!r}… in the context has a name of {length} bytes: "
                           f"more than {self.limits.path_bytes}")  # fmt: skip
        if name.count("/") >= self.limits.depth:
            raise TooLarge(f"{name[:60]!r}… in the context lies in more than {self.limits.depth} folders")
        self.check_time()
