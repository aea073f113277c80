"""`tracker build -` and `tracker run -`: a tar or a Dockerfile out of a pipe, wherever the run is."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile

import pytest

from tests.e2e.yard import NO_POLL, Yard
from tests.real_service import DEADLINE_S, MAIN, RealService

DOCKERFILE = b"FROM scratch\nLABEL a=b\n"


def piped(service: RealService, content: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    service.home.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        input=content, env=service.environment, capture_output=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip


def tar_with(**files: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


@pytest.mark.parametrize("is_served", [False, True])
def test_what_is_piped_in_is_built(is_served: bool, shared_yard: Yard) -> None:
    host = shared_yard.registry.host
    steps = f"version: v1.1.0\nsteps:\n  - build: -t {host}/input/steps:1 .\n"
    with shared_yard.service(NO_POLL) as service:
        if is_served:
            service.start()
        alone = piped(service, DOCKERFILE, "build", "-", "-t", f"{host}/input/alone:1")
        packed = tar_with(Dockerfile="FROM scratch\nCOPY acb.yaml /\n", **{"acb.yaml": steps})
        whole = piped(service, packed, "build", "-", "-t", f"{host}/input/whole:1")
        ran = piped(service, packed, "run", "-")

        assert [done.returncode for done in (alone, whole, ran)] == [0, 0, 0], (alone, whole, ran)
        assert [run.status for run in service.runs()] == ["Succeeded"] * 3
