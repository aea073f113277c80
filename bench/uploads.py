"""Packing a context while it is uploaded to a running service, against `tar | gzip` into a file."""

from __future__ import annotations

import time
from pathlib import Path

from bench.contexts import fill, tar_time_s
from bench.events import service
from bench.table import Row, median
from bench.workbench import workbench
from tracker.remote.address import UnixAddress
from tracker.remote.client import Client
from tracker.remote.upload import send_folder

REPEATS = 3
GROWTH_MIB_MOST = 32.0


def rows(folder: Path) -> list[Row]:
    source = folder / "context"
    fill(source)
    with workbench(folder) as bench, service(bench) as process:
        client = Client(UnixAddress(Path(bench.environment["TRACKER_STATE"]) / "tracker.sock"))
        upload_time_s(client, source)  # whatever the service loads once
        before = resident_mib(process, "VmRSS")
        ours, peer = [], []
        for _ in range(REPEATS):
            ours.append(upload_time_s(client, source))
            peer.append(tar_time_s(source, folder / "peer.tar.gz"))
        grown = resident_mib(process, "VmHWM") - before
    ratio = median([a / b for a, b in zip(ours, peer, strict=True)])
    return [
        Row("pack and upload 200 MB in 20,000 files", f"{median(ours):.2f} s",
            f"tar | gzip {median(peer):.2f} s", ratio, "<= 1.0", ratio <= 1.0),
        Row("memory of the service over that", f"+{grown:.0f} MiB", "", None,
            f"< {GROWTH_MIB_MOST:.0f} MiB", grown < GROWTH_MIB_MOST),
    ]  # fmt: skip


def upload_time_s(client: Client, source: Path) -> float:
    started_s = time.perf_counter()
    send_folder(client, source, None, lambda done, total: None, bytes_most=2**40)
    return time.perf_counter() - started_s


def resident_mib(process: int, name: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
