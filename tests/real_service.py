"""The real `tracker` command and service for tests: processes on a state folder of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.real_registry import free_port

ROOT = Path(__file__).parent.parent
MAIN = "import sys; from tracker.cli.main import main; sys.argv[0] = 'tracker'; main()"
DEADLINE_S = float(os.environ.get("TRACKER_TEST_DEADLINE_S", "120"))  # of what takes a second or two

# Stands before podman in PATH. A test holds it, or does something, at an exact point of a run by a file.
HOOKED = """#!/bin/sh
what=other
for word; do case $word in build|push) what=$word; break;; esac; done
[ ! -e "$HOME/before-$what" ] || . "$HOME/before-$what"
[ -e "$HOME/after-$what" ] || exec {podman} "$@"
{podman} "$@" || exit
. "$HOME/after-$what"
"""
HOLD = 'touch "$HOME/held-$$"; while [ -e "$HOME/POINT" ]; do sleep 0.05; done\n'


@dataclass(frozen=True)
class RunRow:
    """One row of the table of runs."""

    run_id: str
    task: str | None
    cause: str
    status: str
    attempt: int
    wave: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    error: str | None


@dataclass
class RealService:
    """One state folder with the commands on it; `start` runs the service there."""

    folder: Path
    variables: Mapping[str, str]  # settings, as TRACKER__… variables, and whatever else
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    launched: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        path = self.folder / "service.log"
        return path.read_text(errors="replace") if path.exists() else "(the service never started)"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ
        }
        paths = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
        ours = {
            "PYTHONPATH": paths,
            "HOME": str(self.home),
            "TRACKER_STATE": str(self.state),
            "TRACKER__SERVE__LISTEN": f"127.0.0.1:{self.port}",
        }
        return {**kept, **ours, **self.variables}

    def start(self, **variables: str) -> RealService:
        """Start the service and wait until it takes work."""
        process = self.launch("serve", log="service.log", **variables)
        self.process = process
        self.until(lambda: self._is_ready() or process.poll() is not None, "the service to be ready")
        assert process.poll() is None, f"the service ended with {process.returncode}:\n{self.log}"
        return self

    def launch(self, *arguments: str, log: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command and leave it running; both its streams go to a file in the folder."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.folder / log).open("ab") as file:
            launched = subprocess.Popen(
                [sys.executable, "-c", MAIN, *arguments],
                env={**self.environment, **variables},
                cwd=self.folder,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
            )
        self.launched.append(launched)
        return launched

    def kill(self) -> None:
        """kill -9: no handler runs, nothing is flushed."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """SIGTERM, as systemd does; answers the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the service does not stop:\n{self.log}") from None
        self.process = None
        return status

    def end(self) -> None:
        """Whatever runs: end it."""
        for launched in self.launched:
            launched.kill()
            launched.wait()
        self.process = None

    def tracker(
        self, *arguments: str | Path, expect: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit status."""
        self.home.mkdir(parents=True, exist_ok=True)
        ended = subprocess.run(
            [sys.executable, "-c", MAIN, *map(str, arguments)],
            env={**self.environment, **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S * 3,
            check=False,
        )
        assert ended.returncode == expect, f"{arguments}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def read(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        return json.loads(self.tracker(*arguments, "--json").stdout)

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database, whatever the service is doing to it."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.state}/graph.db?mode=ro", uri=True)
        ) as connection:
            return connection.execute(statement, values).fetchall()

    def runs(self, task: str | None = None) -> list[RunRow]:
        """The runs, oldest first."""
        rows = self.query(
            "SELECT r.id, t.name, r.cause, r.status, r.attempt, r.wave_id, r.created_at, r.started_at,"
            " r.finished_at, r.error FROM runs r LEFT JOIN tasks t ON t.id = r.task_id ORDER BY r.number"
        )
        return [row for row in (RunRow(*row) for row in rows) if task in (None, row.task)]

    def is_idle(self) -> bool:
        """Whether no run and no wave is open."""
        open_ones = "SELECT (SELECT count(*) FROM runs WHERE finished_at IS NULL)"
        return self.query(f"{open_ones} + (SELECT count(*) FROM waves WHERE finished_at IS NULL)") == [(0,)]

    def until(self, condition: Callable[[], object], what: str, *, deadline_s: float = DEADLINE_S) -> None:
        """Wait for a condition; fail loudly, with all that the service said."""
        ends = time.monotonic() + deadline_s
        while not condition():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the service ended while waiting for {what}:\n{self.log[-6000:]}")
            if time.monotonic() > ends:
                runs = (
                    "\n".join(map(str, self.runs())) if (self.state / "graph.db").exists() else "no database"
                )
                raise AssertionError(f"waited in vain for {what}\n{runs}\n{self.log[-6000:]}")
            time.sleep(0.03)

    def hook(self, point: str, script: str = HOLD) -> None:
        """Have the engine do this at `before-build`, `after-push`, …; HOLD stops it until `unhook`."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / point).write_text(script.replace("POINT", point))

    def unhook(self, point: str) -> None:
        (self.home / point).unlink()
        for held in self.home.glob("held-*"):
            held.unlink()

    def wait_until_held(self, *, times: int = 1) -> None:
        self.until(lambda: len([*self.home.glob("held-*")]) >= times, "the engine to come to the hook")

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of one page of the service."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def post(self, path: str, body: bytes, **headers: str) -> int:
        """The status that the service answers with."""
        request = urllib.request.Request(f"{self.url}{path}", data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False


def hooked_podman(folder: Path) -> Path:
    """A folder for PATH with a `podman` that obeys the hooks."""
    executable = shutil.which("podman")
    assert executable, "podman is missing: run make setup"
    folder.mkdir()
    (folder / "podman").write_text(HOOKED.format(podman=executable))
    (folder / "podman").chmod(0o755)
    return folder


def processes_with(text: str) -> list[str]:
    """The command lines that hold a text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if text in line:
                    found.append(line)
    return found


@contextlib.contextmanager
def real_service(folder: Path, variables: Mapping[str, str], **more: Any) -> Iterator[RealService]:
    """A state folder for one test; the service is not started yet, and is gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    service = RealService(folder, variables, **more)
    try:
        yield service
    finally:
        service.end()
