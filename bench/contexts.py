"""Packing a context for upload, against `tar | gzip` on the same folder in the same run."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

from bench.table import Row, median
from rebuild.context.folder import pack

FILES, FILE_BYTES = 20_000, 10_240  # 200 MB
REPEATS = 3


def rows(folder: Path) -> list[Row]:
    source = folder / "context"
    fill(source)
    ours, peer = [], []
    for _ in range(REPEATS):
        ours.append(our_time_s(source, folder / "ours.tar.gz"))
        peer.append(tar_time_s(source, folder / "peer.tar.gz"))
    sizes = [(folder / name).stat().st_size / 1e6 for name in ("ours.tar.gz", "peer.tar.gz")]
    ratio = median([a / b for a, b in zip(ours, peer, strict=True)])
    return [
        Row("pack 200 MB in 20,000 files", f"{median(ours):.2f} s", f"tar | gzip {median(peer):.2f} s",
            ratio, "<= 1.0", ratio <= 1.0),
        Row("the size of that", f"{sizes[0]:.0f} MB", f"tar | gzip {sizes[1]:.0f} MB", sizes[0] / sizes[1]),
    ]  # fmt: skip


def fill(folder: Path) -> None:
    """Files that compress as source text with some binaries does: words, and a third of noise."""
    chance = random.Random(1)
    words = [bytes(chance.choices(range(97, 123), k=chance.randint(2, 10))) for _ in range(3000)]
    noise = FILE_BYTES // 3
    for number in range(FILES):
        inner = folder / f"d{number % 100}" / f"e{number % 7}"
        inner.mkdir(parents=True, exist_ok=True)
        text = b" ".join(chance.choices(words, k=1200))[: FILE_BYTES - noise]
        (inner / f"f{number}").write_bytes(text + chance.randbytes(FILE_BYTES - len(text)))


def our_time_s(source: Path, target: Path) -> float:
    started_s = time.perf_counter()
    with target.open("wb") as file:
        pack(source, None, into=file)
    return time.perf_counter() - started_s


def tar_time_s(source: Path, target: Path) -> float:
    started_s = time.perf_counter()
    with (
        target.open("wb") as file,
        subprocess.Popen(["tar", "-C", source, "-c", "."], stdout=subprocess.PIPE) as tar,
    ):
        subprocess.run(["gzip"], stdin=tar.stdout, stdout=file, check=True)
    assert tar.returncode == 0
    return time.perf_counter() - started_s
