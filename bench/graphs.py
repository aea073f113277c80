"""Questions to a graph of 100,000 images and 1,000,000 edges, as whole processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench import big_graph
from bench.table import Row, median

IMAGES, EDGES = 100_000, 1_000_000
ROUNDS = 7
TYPICAL = "registry.example.com/team8/image2530:latest"
_DECIDE = """
import json, resource, sys, time
from pathlib import Path
from graph import clock
from graph.database import open_for_reading
from graph.plan import plan
from graph.snapshot import TaskStates, read_snapshot
from graph.staleness import Limits, decide
connection = open_for_reading(Path(sys.argv[1]))
started_s = time.perf_counter()
snapshot = read_snapshot(connection, TaskStates())
decisions = decide(snapshot, clock.now(), Limits())
made = plan(decisions, bases=snapshot.bases, tasks=snapshot.tasks, durations_s={}, workers=2)
spent_s = time.perf_counter() - started_s
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([len(decisions), len(made.steps), spent_s, peak_mb]))
"""


def rows(folder: Path) -> list[Row]:
    state = folder / "state"
    state.mkdir()
    big_graph.make(state / "graph.db", images=IMAGES, edges=EDGES)
    big_graph.move(state / "graph.db", 1)
    deps_s = [timed([tracker(), "--state", str(state), "deps", TYPICAL]) for _ in range(ROUNDS)]
    version_s = [timed([sys.executable, "-c", "pass"]) for _ in range(ROUNDS)]
    decided = [json.loads(output([sys.executable, "-c", _DECIDE, str(state / "graph.db")])) for _ in range(3)]
    spent_s, peak_mb = median([row[2] for row in decided]), max(row[3] for row in decided)
    affected = decided[0][0]
    return [
        Row("tracker deps, whole process", f"{median(deps_s) * 1000:.0f} ms",
            f"python -c pass {median(version_s) * 1000:.0f} ms", None, "< 100 ms", median(deps_s) < 0.1),
        Row(f"stale + plan of {affected:,}", f"{spent_s:.2f} s", "", None, "< 3 s", spent_s < 3),
        Row("its peak memory", f"{peak_mb:.0f} MB", "", None, "< 250 MB", peak_mb < 250),
    ]  # fmt: skip


def tracker() -> str:
    return str(Path(sys.executable).with_name("tracker"))


def timed(command: list[str]) -> float:
    started_s = time.perf_counter()
    output(command)
    return time.perf_counter() - started_s


def output(command: list[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
