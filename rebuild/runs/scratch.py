"""The folders in which builds work, one a run, and clearing away those that killed processes left."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rebuild.runs.owner import is_alive
from rebuild.runs.table import Runs


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


def sweep(parent: Path, connection: sqlite3.Connection) -> int:
    """Remove the folders of runs that no living process carries out; answers how many."""
    folders = list(parent.glob("*-*"))  # before the runs are read: a folder made meanwhile is in use
    if not folders:
        return 0
    in_use = runs_in_use(connection)
    left = [folder for folder in folders if folder.name.partition("-")[0] not in in_use]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)
