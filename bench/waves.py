"""How long a wave takes, against what no order of its runs could be quicker than."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.events import DEADLINE_S, service, tell_of_trigger
from bench.table import Row
from bench.workbench import Workbench, workbench
from graph.database import open_for_reading

WORKERS = 4
MIDDLES, LEAVES = 4, 5  # on the base, and on each of those
RATIO_MOST = 1.1


@dataclass(frozen=True, slots=True)
class Wave:
    """What one came to, in seconds. `run_s` by the name of the image."""

    makespan_s: float
    run_s: dict[str, float]

    @property
    def critical_path_s(self) -> float:
        return max(self.run_s[middle] + self.run_s[leaf] for middle, leaf in _leaves())

    @property
    def least_s(self) -> float:
        return max(self.critical_path_s, sum(self.run_s.values()) / WORKERS)


def rows(folder: Path) -> list[Row]:
    with workbench(folder) as bench:
        bench.environment["TRACKER__REBUILD__WORKERS"] = str(WORKERS)
        plant(bench)
        with service(bench):
            wave = move_base(bench)
    ratio = wave.makespan_s / wave.least_s
    name = f"wave of {len(wave.run_s)} images on {WORKERS} workers"
    peer = f"path, work/N: {wave.least_s:.1f} s"
    return [
        Row(name, f"{wave.makespan_s:.1f} s", peer, ratio, f"<= {RATIO_MOST}", ratio <= RATIO_MOST),
    ]


def plant(bench: Workbench) -> None:
    """Build every image once, by a task of its own."""
    push_trigger(bench, "first")
    trigger = f"COPY --from={bench.registry.host}/trigger:1 / /\n"
    for number in range(MIDDLES):
        build(bench, f"middle{number}", "base", trigger)
    for middle, leaf in _leaves():
        build(bench, leaf, middle)


def build(bench: Workbench, name: str, base: str, more: str = "") -> None:
    host = bench.registry.host
    context = bench.context(name, f"FROM {host}/{base}:1\n{more}RUN date > /{name} && sleep 1\n")
    bench.tracker("build", str(context), "-t", f"{host}/{name}:1", "--task", name)


def push_trigger(bench: Workbench, text: str) -> str:
    """With a file in it: what copies nothing new out of its base is the same image as before, and the wave
    would end there. Answers its digest."""
    context = bench.context("trigger", "FROM scratch\nCOPY text /text\n")
    (context / "text").write_text(text)
    name, digest = f"{bench.registry.host}/trigger:1", context / "digest"
    bench.podman("build", "-t", name, str(context))
    bench.podman("push", "--tls-verify=false", "--digestfile", str(digest), name)
    return digest.read_text().strip()


def move_base(bench: Workbench) -> Wave:
    tell_of_trigger(bench, push_trigger(bench, "second"))
    deadline_s = time.monotonic() + (MIDDLES + MIDDLES * LEAVES) * DEADLINE_S
    while (wave := finished_wave(bench)) is None:
        if time.monotonic() > deadline_s:
            sys.exit(f"the wave does not end:\n{(bench.folder / 'service.log').read_text()[-3000:]}")
        time.sleep(0.2)
    return wave


def finished_wave(bench: Workbench) -> Wave | None:
    with contextlib.closing(open_for_reading(bench.folder / "state/graph.db")) as connection:
        wave = connection.execute("SELECT id, created_at, finished_at FROM waves").fetchone()
        if wave is None or wave[2] is None:
            return None
        runs = connection.execute(
            "SELECT t.name, r.started_at, r.finished_at FROM runs r JOIN tasks t ON t.id = r.task_id"
            " WHERE r.wave_id = ?",
            (wave[0],),
        ).fetchall()
    return Wave(_seconds(wave[1], wave[2]), {name: _seconds(start, end) for name, start, end in runs})


def _leaves() -> list[tuple[str, str]]:
    """Each with what it stands on."""
    return [
        (f"middle{middle}", f"leaf{middle}x{leaf}") for middle in range(MIDDLES) for leaf in range(LEAVES)
    ]


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
