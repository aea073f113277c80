"""A push that a registry refuses is told apart from one that a passing fault broke."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from graph.reference import ImageRef, Platform
from rebuild.engines.engine import BuildRequest, Built
from rebuild.engines.podman import PodmanEngine
from rebuild.engines.podman_probe import probe_podman
from rebuild.engines.push_fault import PushFault, push_fault
from tests.real_engine import context, podman_storage
from tests.real_registry import real_registry

HTPASSWD = "tester:$2y$05$abcdefghijklmnopqrstuuMZqTjRYTqkZ3QbZ5qgTjRYTqkZ3QbZ5\n"


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        ("Error: trying to reuse blob: unauthorized: authentication required", PushFault.REFUSED),
        ("denied: requested access to the resource is denied", PushFault.REFUSED),
        ("no basic auth credentials", PushFault.REFUSED),
        ("x509: certificate signed by unknown authority", PushFault.REFUSED),
        ("dial tcp 127.0.0.1:1: connect: connection refused", PushFault.PASSING),
        ("received unexpected HTTP status: 503 Service Unavailable", PushFault.PASSING),
        ("toomanyrequests: You have reached your pull rate limit", PushFault.PASSING),
        ('Put "http://localhost/v2/": EOF', PushFault.PASSING),
        ("something new happened", PushFault.UNKNOWN),
        ("", PushFault.UNKNOWN),
    ],
)
def test_what_engines_print_is_told_apart(printed: str, fault: PushFault) -> None:
    assert push_fault(printed) is fault


def test_the_last_word_counts() -> None:
    assert push_fault("connection reset by peer\nretrying\nunauthorized: no\n") is PushFault.REFUSED


@pytest.mark.anyio
async def test_a_real_registry_that_wants_a_password_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    with (
        podman_storage(tmp_path / "podman") as around,
        real_registry(tmp_path / "registry", auth=auth) as locked,
    ):
        engine = PodmanEngine(await probe_podman(around), around)
        folder = context(tmp_path / "c", "FROM scratch\nCOPY probe-amd64 /probe\n")
        asked = BuildRequest(folder, folder / "Dockerfile", None, Platform("linux", "amd64"), "localhost/p:1")
        built = await engine.build(asked, lambda chunk: None)
        assert isinstance(built, Built)
        target = ImageRef.parse(f"{locked.host}/p:1")

        failed = await engine.push(built.image, target, lambda chunk: None)
        await asyncio.to_thread(locked.stop)
        away = await engine.push(built.image, target, lambda chunk: None)

        assert failed is not None
        assert push_fault(failed.log_tail) is PushFault.REFUSED
        assert away is not None
        assert push_fault(away.log_tail) is PushFault.PASSING
