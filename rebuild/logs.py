"""The log of a run: a file that only grows, byte for byte what the engine printed. Knows no run's outcome."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

LOG_BYTES_MOST = 64 * 1024 * 1024  # a build that prints without end must not fill the disk


class RunLog:
    """Appends to one run's file. Used from one task at a time."""

    def __init__(self, path: Path, *, bytes_most: int = LOG_BYTES_MOST) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: whoever follows sees each piece at once, and a killed process loses none.
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._left = bytes_most - self._file.tell()

    def write(self, piece: bytes) -> None:
        """Append; what goes past the limit is dropped, once with a note."""
        if self._left <= 0:
            return
        self._file.write(piece[: self._left])
        self._left -= len(piece)
        if self._left <= 0:
            self._file.write(b"\n[log cut here: it reached its limit]\n")

    def say(self, line: str) -> None:
        """A line of tracker's own, with the time before it."""
        stamp = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
        self.write(f"{stamp} {line}\n".encode())

    def close(self) -> None:
        self._file.close()


def log_path(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.log"


def expire(folder: Path, *, before: datetime) -> int:
    """Delete logs last written before that moment; answers how many."""
    old = [path for path in folder.glob("*.log") if path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
