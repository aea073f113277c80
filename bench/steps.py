"""What carrying out a task file costs: each `cmd` step against podman alone, and a long file to its start."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.table import Row, median
from rebuild.rendering import render_task
from rebuild.runs.run_variables import RunVariables
from rebuild.steps.step_place import PlanSetting, RunPlace
from rebuild.steps.step_plan import plan_steps
from rebuild.taskfile import read_taskfile
from rebuild.template import Surroundings
from tests.real_registry import real_registry
from tests.rebuild.steps.machine import BOX, Machine, machine

STEPS = 15
ROUNDS = 3
LONG_STEPS = 50
REPEATS = 20


def rows(folder: Path) -> list[Row]:
    with real_registry(folder / "registry") as registry, machine(folder / "machine", registry) as made:
        steps_s(made, 1)
        ours, peer = [], []
        for _ in range(ROUNDS):
            started_s = steps_s(made, 1)
            ours.append((steps_s(made, 1 + STEPS) - started_s) / STEPS)
            peer.append(podman_s(made) / STEPS)
    ratio = median(ours) / median(peer)
    read_ms = 1000 * median([until_planned_s() for _ in range(REPEATS)])
    return [
        Row("a cmd step", f"{1000 * median(ours):.0f} ms", f"podman run {1000 * median(peer):.0f} ms", ratio),
        Row("a run of one step, whole", f"{1000 * started_s:.0f} ms"),
        Row("a file of 50 steps until it starts", f"{read_ms:.0f} ms"),
    ]


def steps_s(made: Machine, steps: int) -> float:
    """A run of so many steps, one after another."""
    text = "steps:\n" + "".join(f"- cmd: {BOX} true\n" for _ in range(steps))
    started_s = time.perf_counter()
    done = asyncio.run(made.run(text))
    spent_s = time.perf_counter() - started_s
    assert done.outcome.error is None, done.outcome.error
    return spent_s


def podman_s(made: Machine) -> float:
    """The same containers by podman alone, on a network with names, too."""
    network = "tracker-bench"
    made.call("network", "create", network)
    argv = [*made.containers.calls.program, "run", "--rm", "--log-driver=none", f"--network={network}"]
    argv += [*made.containers.calls.run_flags, BOX, "true"]
    started_s = time.perf_counter()
    for _ in range(STEPS):
        subprocess.run(argv, check=True, capture_output=True)
    spent_s = time.perf_counter() - started_s
    made.call("network", "rm", network)
    return spent_s


def until_planned_s() -> float:
    """Render, read and plan a file in which every step is different."""
    text = long_text()
    started_s = time.perf_counter()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rendered = render_task(
        text,
        path="acb.yaml",
        run=RunVariables("ca1", at, registry="registry.example.com"),
        surroundings=Surroundings(at, random.Random(1)),
        values={"mode": "release"},
    )
    taskfile = read_taskfile(rendered.text, path="acb.yaml", expand_image=rendered.expand_image)
    planned = plan_steps(taskfile, PlanSetting(RunPlace("ca1", "/runs/ca1")))
    assert len(planned) == LONG_STEPS
    return time.perf_counter() - started_s


def long_text() -> str:
    lines = ["version: v1.1.0", "env: [MODE={{.Values.mode}}]", "steps:"]
    for number in range(0, LONG_STEPS, 2):
        lines += [
            f"- id: image{number}",
            f"  build: -t {{{{.Run.Registry}}}}/app{number}:{{{{.Run.ID}}}} -f app{number}/Dockerfile .",
            "  when: ['-']",
            f"- id: test{number}",
            f"  cmd: {{{{.Run.Registry}}}}/app{number}:{{{{.Run.ID}}}} sh -c 'run --tests \"$MODE\"'",
            f"  when: [image{number}]",
            "  retries: 2",
            f"  env: [NUMBER={number}]",
        ]
    return "\n".join(lines) + "\n"
