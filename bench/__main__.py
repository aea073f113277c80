"""`python -m bench [PART]…` (the names in `PARTS`): prints the table; works in a temporary folder."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import builds, checks, contexts, events, graphs, load, steps, uploads, waves
from bench.folders import remove
from bench.table import Row, print_rows

PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "checks": checks.rows,
    "events": events.rows,
    "waves": waves.rows,
    "load": load.rows,
    "builds": builds.rows,
    "graphs": graphs.rows,
    "contexts": contexts.rows,
    "uploads": uploads.rows,
    "steps": steps.rows,
}


def main() -> None:
    chosen = sys.argv[1:] or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        sys.exit(f"error: no measurement is called {unknown[0]!r}\nhint: choose from {', '.join(PARTS)}")
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f}, Python {platform.python_version()}")
    rows: list[Row] = []
    for name in chosen:
        folder = Path(tempfile.mkdtemp(prefix=f"tracker-bench-{name}-"))
        try:
            rows += PARTS[name](folder)
        finally:
            remove(folder)
    print_rows(rows)


if __name__ == "__main__":
    main()
