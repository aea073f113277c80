"""Signed push events by the thousand on a running service that rebuilds meanwhile, and its end by kill -9."""

from __future__ import annotations

import contextlib
import os
import re
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bench.events import DEADLINE_S, service
from bench.images import put_image
from bench.table import Row, percentile
from bench.workbench import Workbench, workbench
from graph.database import open_for_reading
from tests.event_storm import Plan, Report, Sender, numbers_in
from tests.faulty_registry import FaultyRegistry, faulty_registry
from tests.hostile_registry import Reply

PER_S = 2_000
SECONDS = 30.0
KILLED_AFTER_S = 2.0
GROWTH_MOST = 1.1
SECRET = "a secret of this measurement"
IMAGES = 12  # of the wave; each takes a second or two
STRANGERS = 400  # tags that nobody stands on, of the tags that are told of


@dataclass(frozen=True, slots=True)
class Load:
    """What one storm came to."""

    report: Report
    processed: int
    runs: int  # that began while it lasted
    drained_s: float  # from its end until nothing was left
    grown: float  # memory of the service at the end, against a third of the way
    load_before: float


def rows(folder: Path) -> list[Row]:
    with workbench(folder) as bench, faulty_registry(bench.registry) as proxy:
        bench.environment["TRACKER__EVENTS__GENERIC__SECRET"] = SECRET
        base = plant(bench, proxy)
        with service(bench) as process:
            load = storm(bench, base, process)
        lost, acknowledged = killed(bench, proxy, base)
    return [*_rows(load), _lost_row(lost, acknowledged)]


def _rows(load: Load) -> list[Row]:
    fine, total = len(load.report.acknowledged), round(PER_S * SECONDS)
    p50_ms, p99_ms = (1000 * percentile(load.report.answer_s, part) for part in (0.5, 0.99))
    rate, meanwhile = fine / SECONDS, f"{load.runs} rebuilds meanwhile"
    is_steady, is_complete = load.grown <= GROWTH_MOST, load.processed == fine
    return [
        Row("signed events a second, 202", f"{rate:.0f}", f"sent {PER_S}", None, "all", fine == total),
        Row("those dealt with in the end", f"{load.processed}", f"{fine} stored", None, "all", is_complete),
        Row("time to the answer, p50", f"{p50_ms:.0f} ms", f"load before {load.load_before:.1f}"),
        Row("time to the answer, p99", f"{p99_ms:.0f} ms", meanwhile, None, "< 50 ms", p99_ms < 50),
        Row("from the last event to an empty inbox", f"{load.drained_s:.1f} s"),
        Row("memory, to that a third through", "", "", load.grown, f"<= {GROWTH_MOST}", is_steady),
    ]


def _lost_row(lost: int, acknowledged: int) -> Row:
    return Row("acknowledged, and lost by kill -9", f"{lost}", f"of {acknowledged}", None, "0", lost == 0)


def plant(bench: Workbench, proxy: FaultyRegistry) -> str:
    """A base behind the proxy, and images that stand on it; the base's full name."""
    base = f"{proxy.host}/trigger:1"
    put_image(bench.registry.url, "trigger", ["1"])
    shell = f"{bench.registry.host}/base:1"
    for number in range(IMAGES):
        run = f"RUN echo {number} > /n && sleep 1"
        context = bench.context(f"app{number}", f"FROM {shell}\nCOPY --from={base} / /\n{run}\n")
        name = f"{bench.registry.host}/app{number}:1"
        bench.tracker("build", str(context), "-t", name, "--task", f"app{number}")
    return base


def storm(bench: Workbench, base: str, process: int) -> Load:
    """The base moves as it begins, so that all images are rebuilt while it lasts."""
    load_before = os.getloadavg()[0]
    digest = put_image(bench.registry.url, "trigger", ["1"], note="moved")
    sender = Sender(plan(bench, SECONDS, base, digest))
    try:
        time.sleep(1 + SECONDS / 3)
        memory = rss_bytes(process)
        report = sender.report(SECONDS + 90)
    finally:
        sender.end()
    ended_s = time.monotonic()
    while value(bench, "SELECT count(*) FROM inbox") and time.monotonic() - ended_s < DEADLINE_S:
        time.sleep(0.02)
    drained_s = time.monotonic() - ended_s
    grown = rss_bytes(process) / memory
    runs = value(bench, "SELECT count(*) FROM runs WHERE cause = 'base-image' AND started_at IS NOT NULL")
    return Load(report, processed(bench), runs, drained_s, grown, load_before)


def killed(bench: Workbench, proxy: FaultyRegistry, base: str) -> tuple[int, int]:
    """Acknowledged events that are gone, and how many were; the registry hangs, so that none is settled."""
    proxy.fault = lambda seen: Reply(hang=True) if seen.method == "HEAD" else None
    bench.environment["TRACKER__WATCH__INTERVAL"] = "1h"
    with service(bench) as process:
        hold(bench, base)
        sender = Sender(plan(bench, 2 * KILLED_AFTER_S, base, None, strangers=0))
        try:
            time.sleep(1 + KILLED_AFTER_S)
            os.kill(process, 9)
            acknowledged = set(sender.report(90).acknowledged)
        finally:
            sender.end()
    with contextlib.closing(open_for_reading(bench.folder / "state/graph.db")) as connection:
        stored = numbers_in([row[0] for row in connection.execute("SELECT payload FROM inbox")])
    return len(acknowledged - stored), len(acknowledged)


def hold(bench: Workbench, base: str) -> None:
    """One event about the base, of which the registry says nothing: others about it wait behind it."""
    before = plan(bench, 1 / PER_S, base, None, strangers=0)
    sender = Sender(before)
    sender.report(60)
    time.sleep(0.5)


def plan(
    bench: Workbench, seconds: float, base: str, digest: str | None, *, strangers: int = STRANGERS
) -> Plan:
    """One event in ten is about the base; the others are about what nobody stands on, if about anything."""
    others = [(f"{bench.registry.host}/team/stranger{number}:1", None) for number in range(strangers)]
    references = [(base, digest) if number % 10 == 0 else other for number, other in enumerate(others)]
    references = references or [(base, digest)]
    port = int(bench.listen.rpartition(":")[2])
    return Plan(port, "/events/generic", SECRET, PER_S, seconds, references)


def processed(bench: Workbench) -> int:
    """Events that the service says it has dealt with."""
    with urllib.request.urlopen(f"http://{bench.listen}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(r'^tracker_events_total\{result="(.*)",source="generic"\} (\S+)$', text, re.MULTILINE)
    dealt_with = {"asked", "known", "overtaken", "unwatched"}
    return round(sum(float(count) for result, count in found if result in dealt_with))


def rss_bytes(process: int) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])


def value(bench: Workbench, query: str) -> int:
    with contextlib.closing(open_for_reading(bench.folder / "state/graph.db")) as connection:
        return int(connection.execute(query).fetchone()[0])
