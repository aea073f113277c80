"""The folders in which builds work, one a run, and clearing away those that killed processes left."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rebuild.runs.owner import is_alive
from rebuild.runs.table import Runs

SCAN_PREFIX = "scan_"  # of folders in which a task's bases are looked up, which belong to no run
SCAN_MOST_S = 86400.0


@contextlib.contextmanager
def scratch_folder(parent: Path, run_id: str) -> Iterator[Path]:
    """An empty folder for this run, gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{run_id}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def runs_in_use(connection: sqlite3.Connection) -> frozenset[str]:
    """The runs that a living process carries out."""
    return frozenset(run.run_id for run, owner in Runs(connection).unfinished() if is_alive(owner))


def abandoned(parent: Path, connection: sqlite3.Connection) -> list[Path]:
    """The folders of runs that no living process carries out."""
    folders = list(parent.glob("*-*"))  # before the runs are read: a folder made meanwhile is in use
    if not folders:
        return []
    in_use = runs_in_use(connection)
    return [folder for folder in folders if folder.name.partition("-")[0] not in in_use]


def sweep(parent: Path, connection: sqlite3.Connection, at: datetime) -> int:
    """Remove the folders of runs that no living process carries out, and of old scans; answers how many."""
    scans = (folder for folder in parent.glob(f"{SCAN_PREFIX}*") if _age_s(folder, at) > SCAN_MOST_S)
    left = [*abandoned(parent, connection), *scans]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def _age_s(folder: Path, at: datetime) -> float:
    """0 for one that is gone by now."""
    try:
        return at.timestamp() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
