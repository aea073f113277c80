"""What a command loads that has a service do its work: no library that takes longer than the asking."""

from __future__ import annotations

import subprocess
import sys

from tests.test_architecture import HEAVY, ROOT

MODULES = ", ".join(
    f"tracker.{name}" for name in ("cli.build", "remote.build", "remote.run", "remote.upload", "remote.views")
)


def test_asking_a_service_loads_nothing_heavy() -> None:
    program = f"import sys, tracker.cli.main, {MODULES}; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "http.client" in loaded
    assert (HEAVY | {"sqlite_utils", "oras", "cryptography", "structlog"}) & set(loaded) == set()


def test_looking_for_a_service_loads_no_http() -> None:
    program = "import sys, tracker.cli.main, tracker.remote.service; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"http.client", "urllib.request", "ssl"} & set(loaded) == set()
