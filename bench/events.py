"""From a push event to the start of the run that it causes, on a running service."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.images import put_image
from bench.table import Row, median, percentile
from bench.workbench import Workbench, workbench
from graph.database import open_for_reading

ROUNDS = 30
DEADLINE_S = 30.0


def rows(folder: Path) -> list[Row]:
    with workbench(folder) as bench:
        context = bench.context("app", f"FROM scratch\nCOPY --from={bench.registry.host}/trigger:1 / /\n")
        put_image(bench.registry.url, "trigger", ["1"])
        bench.tracker("build", str(context), "-t", f"{bench.registry.host}/app:1", "--task", "app")
        with service(bench):
            latencies_s = [latency_s(bench, number) for number in range(ROUNDS)]
    worst_s = percentile(latencies_s, 0.99)
    return [
        Row("push event to run started, p50", f"{median(latencies_s) * 1000:.0f} ms"),
        Row(
            "push event to run started, p99", f"{worst_s * 1000:.0f} ms", "", None, "< 100 ms", worst_s < 0.1
        ),
    ]


def latency_s(bench: Workbench, number: int) -> float:
    """Move the base, tell the service, and read from its own record when the run started."""
    digest = put_image(bench.registry.url, "trigger", ["1"], note=str(number))
    runs = finished(bench)
    sent_at = datetime.now(UTC)
    tell_of_trigger(bench, digest)
    started_at = wait_for_run(bench, runs + 1)
    return (started_at - sent_at).total_seconds()


def tell_of_trigger(bench: Workbench, digest: str) -> None:
    """The event of a push of `trigger:1`, as the registry sends it."""
    target = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "repository": "trigger",
        "tag": "1",
        "digest": digest,
    }
    event = {"action": "push", "target": target, "request": {"host": bench.registry.host}}
    post(f"http://{bench.listen}/events/distribution", {"events": [event]})


def wait_for_run(bench: Workbench, count: int) -> datetime:
    deadline_s = time.monotonic() + DEADLINE_S
    while finished(bench) < count:
        if time.monotonic() > deadline_s:
            sys.exit(f"no run {count} was finished:\n{(bench.folder / 'service.log').read_text()[-3000:]}")
        time.sleep(0.05)
    with contextlib.closing(open_for_reading(bench.folder / "state/graph.db")) as connection:
        row = connection.execute("SELECT started_at FROM runs ORDER BY number DESC LIMIT 1").fetchone()
    return datetime.fromisoformat(row[0])


def finished(bench: Workbench) -> int:
    with contextlib.closing(open_for_reading(bench.folder / "state/graph.db")) as connection:
        row = connection.execute("SELECT count(*) FROM runs WHERE finished_at IS NOT NULL").fetchone()
    return int(row[0])


@contextlib.contextmanager
def service(bench: Workbench) -> Iterator[int]:
    """The id of its process."""
    with (bench.folder / "service.log").open("wb") as log:
        command = [str(Path(sys.executable).with_name("tracker")), "serve"]
        # A session of its own, as under systemd: else it would share its part of the processors with all
        # that measures it.
        running = subprocess.Popen(
            command, env=bench.environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_until_ready(bench)
            yield running.pid
        finally:
            running.terminate()
            running.wait(timeout=30)


def wait_until_ready(bench: Workbench) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            urllib.request.urlopen(f"http://{bench.listen}/readyz", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > deadline_s:
                sys.exit((bench.folder / "service.log").read_text()[-3000:])
            time.sleep(0.1)


def post(url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
