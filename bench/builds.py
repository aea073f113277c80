"""A tracked build against the same build by podman alone, as whole processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.table import Row, median
from bench.workbench import Workbench, workbench

ROUNDS = 7


def rows(folder: Path) -> list[Row]:
    with workbench(folder) as bench:
        name = f"{bench.registry.host}/app"
        context = bench.context("app", f"FROM {bench.registry.host}/base:1\nRUN echo hello > /hello\n")
        ours, peer = [], []
        tracked(bench, context, name)  # finds out what works with the engine, once
        for _ in range(ROUNDS):
            ours.append(seconds(lambda: tracked(bench, context, name)))
            peer.append(seconds(lambda: bare(bench, context, name)))
    limit_s = 1.05 * median(peer) + 0.3
    return [
        Row("tracked build and push, uncached", f"{median(ours):.2f} s", f"podman alone {median(peer):.2f} s",
            median(ours) / median(peer), f"< {limit_s:.2f} s", median(ours) < limit_s),
    ]  # fmt: skip


def tracked(bench: Workbench, context: Path, name: str) -> None:
    bench.tracker("build", str(context), "-t", f"{name}:tracked", "--no-cache")


def bare(bench: Workbench, context: Path, name: str) -> None:
    bench.podman("build", "--tls-verify=false", "--no-cache", "-t", f"{name}:bare", str(context))
    bench.podman("push", "--tls-verify=false", f"{name}:bare")


def seconds(call: Callable[[], None]) -> float:
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s
