"""Names the process that carries out a run, so that another can tell whether it is still there."""

from __future__ import annotations

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> str:
    """`boot:pid:start`: a process id alone is given out again after a while, and after a boot."""
    return f"{_boot()}:{os.getpid()}:{_started(os.getpid())}"


def is_alive(owner: str | None) -> bool:
    """Whether that very process still runs on this machine."""
    if owner is None:
        return False
    boot, pid, started = owner.split(":")
    return boot == _boot() and _started(int(pid)) == started


def _boot() -> str:
    return _BOOT_ID.read_text().strip()


def _started(pid: int) -> str | None:
    """The start time of a process in clock ticks since boot (proc(5), field 22); None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = stat.rpartition(")")[2].split()
    return None if after_name[0] in "ZX" else after_name[19]
