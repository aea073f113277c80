"""What `tracker build` loads: a build must cost hardly more than the engine's own, and imports cost most."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.yard import Yard

ROOT = Path(__file__).parents[2]
HEAVY = {
    "aiohttp",  # for many questions to registries
    "apscheduler",
    "fastapi",
    "prometheus_client",
    "pydantic",
    "sqlite_utils",  # for a database that has to be brought up to date
    "structlog",
    "uvicorn",
    "uvloop",
}
_TELLING = """
import atexit, sys
atexit.register(lambda: print("loaded", *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr))
from tracker.cli.main import main
main()
"""


def loaded(*words: str, **variables: str) -> set[str]:
    """The top-level modules that a whole `tracker` command has loaded when it ends well."""
    done = subprocess.run(
        [sys.executable, "-c", _TELLING, *words],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("loaded ")[2].split())


def test_help_on_building_loads_nothing_heavy() -> None:
    found = loaded("build", "--help")

    assert "tracker" in found
    assert found & HEAVY == set()


def test_a_whole_build_loads_nothing_heavy(shared_yard: Yard) -> None:
    project = shared_yard.project("FROM scratch\nCOPY Dockerfile /\n")
    name = f"{shared_yard.registry.host}/light:1"
    with shared_yard.service() as service:
        variables = {**shared_yard.variables, "TRACKER_STATE": str(service.state)}
        loaded("build", str(project), "-t", name, **variables)  # makes the database

        found = loaded("build", str(project), "-t", name, "--no-cache", **variables)

    assert {"httpx", "sqlite3"} <= found
    assert found & HEAVY == set()
