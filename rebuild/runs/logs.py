"""The log of a run: a file that only grows, byte for byte what the engine printed. Knows no run's outcome."""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from graph.errors import TrackerError

LOG_BYTES_MOST = 64 * 1024 * 1024  # a build that prints without end must not fill the disk


class LogUnwritable(TrackerError):
    """The folder of the logs takes no log."""


class RunLog:
    """Appends to one run's file; raises `LogUnwritable`. Used from one task at a time."""

    def __init__(self, path: Path, *, bytes_most: int = LOG_BYTES_MOST) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: whoever follows sees each piece at once, and a killed process loses none.
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error
        self._left = bytes_most - self._file.tell()

    def write(self, piece: bytes) -> None:
        """Append; what goes past the limit is dropped, once with a note."""
        if self._left <= 0:
            return
        self._append(piece[: self._left])
        self._left -= len(piece)
        if self._left <= 0:
            self._append(b"\n[log cut here: it reached its limit]\n")

    def say(self, line: str) -> None:
        """A line of tracker's own, with the time before it; a few of them have room past the limit."""
        stamp = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
        self._append(f"{stamp} {line}\n".encode())

    def _append(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        self._file.close()

    def _unwritable(self, error: OSError) -> LogUnwritable:
        return LogUnwritable(
            f"cannot write the log {self._path}: {error.strerror}",
            hint="the folder must be this user's to write, and the disk must have room",
        )


def log_path(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.log"


def remove_logs(folder: Path, run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        log_path(folder, run_id).unlink(missing_ok=True)


def expire(folder: Path, *, before: datetime, kept: Set[str] = frozenset()) -> int:
    """Delete logs last written before that moment, but for those of the runs `kept`; answers how many."""
    logs = (path for path in folder.glob("*.log") if path.stem not in kept)
    old = [path for path in logs if path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
