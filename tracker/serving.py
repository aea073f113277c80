"""Whether a service works on a state folder at this moment. Asks the kernel, and holds nothing."""

from __future__ import annotations

from pathlib import Path

from tracker.state import State

_LOCKS = Path("/proc/locks")


def is_served(state: State) -> bool:
    """Whether a process holds the lock of the service. Trying for it would keep a service from starting."""
    try:
        lock = state.lock.stat()
        held = _LOCKS.read_text()
    except OSError:
        return False
    return any(_inode(line) == lock.st_ino for line in held.splitlines() if " FLOCK " in line)


def _inode(line: str) -> int:
    """Of `1: FLOCK  ADVISORY  WRITE 4711 00:2c:1234 0 EOF`, 1234 (proc(5))."""
    return next((int(word.rpartition(":")[2]) for word in line.split()[1:] if word.count(":") == 2), 0)
