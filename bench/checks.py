"""How fast and how sparingly unchanged tags are checked, against ab and skopeo on the same registry."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from pathlib import Path

from bench.images import put_image
from bench.table import Row, median
from graph.clock import now
from graph.observing import Watched
from graph.reference import Digest, ImageRef
from tests.real_registry import RealRegistry, real_registry
from tracker.metrics import Metrics
from tracker.registry import RegistryClient
from tracker.registry.aiohttp_transport import many_questions
from tracker.watching.watch import Asker

REPOSITORIES, TAGS = 50, 20
ROUNDS = 5
SKOPEO_CALLS = 15


def rows(folder: Path) -> list[Row]:
    with real_registry(folder / "registry") as registry:
        watched = fill(registry)
        ours, peer = [], []
        for _ in range(ROUNDS):  # in turn, so that a slow moment of the machine hits both
            ours.append(our_rate(watched))
            peer.append(ab_rate(registry))
        before = len(registry.requests())
        our_rate(watched)
        each = (len(registry.requests()) - before) / len(watched)
        skopeo, skopeo_requests = skopeo_rate(registry)
    ratio = median([a / b for a, b in zip(ours, peer, strict=True)])
    return [
        Row("checks of unchanged tags, a second", f"{median(ours):.0f}", f"ab HEAD {median(peer):.0f}",
            ratio, ">= 0.55", ratio >= 0.55),
        Row("requests for an unchanged tag", f"{each:.2f}", f"skopeo {skopeo_requests:.1f}",
            None, "1", each == 1),
        Row("the same against a skopeo loop", f"{median(ours):.0f}", f"skopeo {skopeo:.0f}",
            median(ours) / skopeo),
    ]  # fmt: skip


def fill(registry: RealRegistry) -> list[Watched]:
    """1,000 tags in 50 repositories, as they stand after a first round of questions."""
    watched: list[Watched] = []
    for number in range(REPOSITORIES):
        repository = f"team/image{number}"
        tags = [f"{number}.{tag}" for tag in range(TAGS)]
        digest = Digest.parse(put_image(registry.url, repository, tags, note=repository))
        for tag in tags:
            watched.append(Watched(len(watched), ImageRef(registry.host, repository, tag), digest))
    return watched


def our_rate(watched: list[Watched]) -> float:
    async def ask() -> float:
        async with RegistryClient(transport=many_questions) as client:
            asker = Asker(client, Metrics(), now)
            started_s = time.perf_counter()
            answers = [answer async for batch in asker.ask_all(watched) for answer in batch]
            spent_s = time.perf_counter() - started_s
        assert all(answer.error is None and answer.manifests is None for answer in answers)
        return len(answers) / spent_s

    return asyncio.run(ask())


def ab_rate(registry: RealRegistry) -> float:
    """HEAD of one tag over 16 kept connections: what the registry can give at the most."""
    url = f"{registry.url}/v2/team/image0/manifests/0.0"
    accept = "Accept: application/vnd.oci.image.manifest.v1+json"
    done = subprocess.run(
        ["ab", "-q", "-k", "-i", "-c", "16", "-n", str(REPOSITORIES * TAGS), "-H", accept, url],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = re.search(r"Requests per second:\s+([\d.]+)", done.stdout)
    assert found and "Non-2xx responses" not in done.stdout, done.stdout
    return float(found[1])


def skopeo_rate(registry: RealRegistry) -> tuple[float, float]:
    """Calls a second and requests a call of `skopeo inspect`, one tag after the other."""
    before = len(registry.requests())
    started_s = time.perf_counter()
    for tag in range(SKOPEO_CALLS):
        name = f"docker://{registry.host}/team/image0:0.{tag}"
        command = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", name]
        subprocess.run(command, check=True, capture_output=True)
    spent_s = time.perf_counter() - started_s
    return SKOPEO_CALLS / spent_s, (len(registry.requests()) - before) / SKOPEO_CALLS
