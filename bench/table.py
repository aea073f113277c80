"""One row a measurement, printed in 100 columns. Measures nothing."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of ours, what it is held against, and the limit that the design sets, if any."""

    name: str
    ours: str
    peer: str = ""
    ratio: float | None = None  # ours to the peer's, in the sense that the limit speaks of
    limit: str = ""
    kept: bool | None = None  # None: no limit


def print_rows(rows: Sequence[Row]) -> None:
    print(f"{'measurement':<38} {'ours':>14} {'peer':>24} {'ratio':>7} {'limit':>12}")
    for row in rows:
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        mark = {True: " kept", False: " MISSED", None: ""}[row.kept]
        print(f"{row.name:<38} {row.ours:>14} {row.peer:>24} {ratio:>7} {row.limit:>12}{mark}", flush=True)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part of the values lies, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(part * (len(ordered) - 1)))]
