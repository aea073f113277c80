"""How the service tells of itself: to systemd and in one life; and what it never tells."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import shutil
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import structlog

from graph.staleness import Limits
from rebuild.images.tools import Tools
from rebuild.runs.run import Workplace
from tests.clocks import Hand
from tests.real_engine import clear_storage
from tests.real_service import RealService, real_service
from tracker.ancestry import Ancestry
from tracker.metrics import Metrics, StateRead
from tracker.pulse import Part, Pulse
from tracker.rebuilder import Rebuilder, Rules
from tracker.registry import RegistryClient
from tracker.scrape import Scrape
from tracker.service import Supervisor
from tracker.state import State
from tracker.upkeep import OldRuns, Report, Upkeep, clock, status_line

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT_SECRET = "correct-horse-battery-staple"
REGISTRY_PASSWORD = "s3cr3t-of-the-registry"


@dataclass
class Systemd:
    """The other end of the notification socket."""

    address: str
    socket: socket.socket
    messages: list[str] = field(default_factory=list)

    def read(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end of the test
            while message := self.socket.recv(4096):
                self.messages.append(message.decode())

    @property
    def statuses(self) -> list[str]:
        lines = "\n".join(self.messages).splitlines()
        return [line.removeprefix("STATUS=") for line in lines if line.startswith("STATUS=")]


@contextlib.contextmanager
def listening(folder: Path, *, abstract: bool = False) -> Iterator[Systemd]:
    path = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(f"\0{path}" if abstract else path)
        systemd = Systemd(f"@{path}" if abstract else path, bound)
        reader = threading.Thread(target=systemd.read, daemon=True)
        reader.start()
        yield systemd
        bound.shutdown(socket.SHUT_RDWR)
        reader.join(10)


class TestToSystemd:
    @pytest.mark.parametrize("abstract", [False, True])
    def test_is_told_ready_with_a_status(self, tmp_path: Path, abstract: bool) -> None:
        with listening(tmp_path, abstract=abstract) as systemd:
            Supervisor(systemd.address).ready("listening on 127.0.0.1:8484")

        assert systemd.messages == ["READY=1\nSTATUS=listening on 127.0.0.1:8484"]

    def test_is_told_that_we_live_and_that_we_stop(self, tmp_path: Path) -> None:
        with listening(tmp_path) as systemd:
            Supervisor(systemd.address).alive()
            Supervisor(systemd.address).stopping("bye")

        assert systemd.messages == ["WATCHDOG=1", "STOPPING=1\nSTATUS=bye"]

    def test_takes_no_command_that_a_status_contains(self, tmp_path: Path) -> None:
        with listening(tmp_path) as systemd:
            Supervisor(systemd.address).status("database:\nMAINPID=1\rREADY=1")

        assert systemd.messages == ["STATUS=database: MAINPID=1 READY=1"]

    def test_is_not_needed(self) -> None:
        assert Supervisor.of({}) == Supervisor(None, None)
        Supervisor.of({}).ready("alone")

    def test_that_is_gone_does_not_end_the_service(self, tmp_path: Path) -> None:
        with structlog.testing.capture_logs() as said:
            Supervisor(str(tmp_path / "nobody")).alive()

        assert [line["event"] for line in said] == ["the service manager cannot be told"]

    def test_says_how_often_it_wants_to_hear_from_us(self) -> None:
        assert Supervisor.of({"WATCHDOG_USEC": "60000000"}).watchdog_s == 60

    def test_means_another_process_with_another_number(self) -> None:
        assert Supervisor.of({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}).watchdog_s is None


class TestTheReport:
    @pytest.fixture
    def state(self, tmp_path: Path) -> State:
        state = State(tmp_path / "state")
        state.write().close()
        return state

    @pytest.mark.anyio
    async def test_feeds_the_watchdog_only_while_all_parts_move(self, tmp_path: Path, state: State) -> None:
        hand = Hand()
        pulse = Pulse(hand)
        with listening(tmp_path) as systemd:
            report = Report(Supervisor(systemd.address), pulse, _scrape(state.read))
            await report.alive()
            hand.at_s += 3600
            with structlog.testing.capture_logs() as said:
                await report.alive()

        assert systemd.messages == ["WATCHDOG=1"]
        assert [line["log_level"] for line in said] == ["error"]

    @pytest.mark.anyio
    async def test_says_what_is_going_on(self, tmp_path: Path, state: State) -> None:
        with listening(tmp_path) as systemd:
            await Report(Supervisor(systemd.address), Pulse(), _scrape(state.read)).status()

        assert systemd.statuses == ["watching 0 references · 0 images, 0 stale · 0 runs going, 0 waiting"]

    @pytest.mark.anyio
    async def test_says_that_the_database_cannot_be_read(self, tmp_path: Path, state: State) -> None:
        state.database.write_bytes(b"not a database" * 1000)
        with listening(tmp_path) as systemd:
            await Report(Supervisor(systemd.address), Pulse(), _scrape(state.read)).status()

        assert len(systemd.statuses) == 1
        assert systemd.statuses[0].startswith("the database cannot be read: ")

    def test_counts_in_good_english(self) -> None:
        state = StateRead(watched=1, tracked=1, stale=1, running=1, queued=4)

        assert status_line(state) == "watching 1 reference · 1 image, 1 stale · 1 run going, 4 waiting"


class TestTheLoop:
    @pytest.fixture
    def rebuilder(self, tmp_path: Path) -> Iterator[Rebuilder]:
        connection = State(tmp_path).write()
        place = Workplace(
            connection, tmp_path / "logs", tmp_path / "scratch", cast(Tools, None), now=lambda: NOW
        )
        yield Rebuilder(place, Rules(Limits(), workers=1), Metrics(), lambda: NOW)
        connection.close()

    @pytest.mark.anyio
    @pytest.mark.parametrize("turns", range(5))
    async def test_stops_even_if_something_changes_at_that_moment(
        self, rebuilder: Rebuilder, turns: int
    ) -> None:
        working = asyncio.create_task(rebuilder.work())
        await asyncio.sleep(0.01)

        rebuilder.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        working.cancel()

        await asyncio.wait([working], timeout=10)
        assert working.cancelled()

    @pytest.mark.anyio
    async def test_does_what_is_done_by_the_clock_in_its_own_thread(
        self, rebuilder: Rebuilder, tmp_path: Path
    ) -> None:
        """The connection belongs to one thread, and a stuck loop must not feed the watchdog."""
        old_runs = OldRuns(
            rebuilder._sql, tmp_path / "logs", keep_runs_s=60.0, keep_logs_s=60.0, now=lambda: NOW
        )
        upkeep = Upkeep(rebuilder._sql, rebuilder, old_runs=old_runs, storage=None)
        report = Report(Supervisor(), Pulse(), _scrape(State(tmp_path).read))

        read = State(tmp_path).read
        ancestry = Ancestry(rebuilder._sql, RegistryClient(), connect=read, trusted=frozenset())

        jobs = clock(upkeep, report, ancestry, watchdog_s=60.0, now=NOW).get_jobs()

        assert jobs
        assert [job.name for job in jobs if not inspect.iscoroutinefunction(job.func)] == []
        for job in jobs:
            await job.func()


def _scrape(connect: Callable[[], sqlite3.Connection]) -> Scrape:
    return Scrape(Metrics(), connect=connect, budgets=dict, now=lambda: NOW)


@dataclass
class Lived:
    """A real service that was started, asked and stopped, and all that it said meanwhile."""

    status: int
    systemd: Systemd
    log: str
    answers: Mapping[str, tuple[int, str]]
    printed: str


QUESTIONS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/nothing-here",
    "/events/distribution",
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a podman storage in it, which wants short paths."""
    made = Path(tempfile.mkdtemp(prefix="ts-"))
    yield made
    podman = shutil.which("podman")
    assert podman, "podman is missing: run make setup"
    clear_storage(podman, made / "storage", made / "storage/run")
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def lived(folder: Path) -> Iterator[Lived]:
    """One life with secrets in every place that takes one."""
    auth = json.dumps({"auths": {"127.0.0.1:1": {"username": "me", "password": REGISTRY_PASSWORD}}})
    (folder / "config.json").write_text(auth)
    variables = {
        "TRACKER__ENGINE_STORAGE": str(folder / "storage"),
        "TRACKER__EVENTS__DISTRIBUTION__SECRET": EVENT_SECRET,
        "DOCKER_CONFIG": str(folder),
        "WATCHDOG_USEC": "600000",
    }
    with listening(folder) as systemd, real_service(folder / "s", variables) as service:
        yield _live(service, systemd)


def _live(service: RealService, systemd: Systemd) -> Lived:
    service.start(NOTIFY_SOCKET=systemd.address)
    answers = {path: service.get(path) for path in QUESTIONS}
    for secret in (EVENT_SECRET, "wrong", REGISTRY_PASSWORD):
        body = b'{"events": [], "password": "%s"}' % REGISTRY_PASSWORD.encode()
        service.post("/events/distribution", body, Authorization=f"Bearer {secret}")
        service.post("/events/distribution", b"{" + secret.encode(), Authorization=f"Bearer {secret}")
    service.until(lambda: systemd.messages.count("WATCHDOG=1") > 1, "the watchdog to be fed")
    answers["/metrics after"] = service.get("/metrics")
    shown = service.tracker("config", "show")
    both = {"TRACKER__EVENTS__DISTRIBUTION__SECRET_FILE": "/etc/x"}
    wrong = service.tracker("config", "check", expect=2, **both)
    status = service.stop()
    printed = shown.stdout + shown.stderr + wrong.stdout + wrong.stderr
    return Lived(status, systemd, service.log, answers, printed)


class TestALife:
    def test_begins_ready_and_ends_stopping(self, lived: Lived) -> None:
        assert lived.systemd.messages[0].startswith("READY=1\n")
        assert lived.systemd.messages[-1].startswith("STOPPING=1\n")
        assert lived.status == 0

    def test_has_a_status_that_says_what_is_going_on(self, lived: Lived) -> None:
        assert "watching 0 references · 0 images, 0 stale · 0 runs going, 0 waiting" in lived.systemd.statuses

    def test_answers_as_soon_as_it_says_so(self, lived: Lived) -> None:
        assert lived.answers["/readyz"][0] == 200
        assert json.loads(lived.answers["/healthz"][1])["silent_s"].keys() == set(Part)

    def test_counts_events_that_it_turned_away(self, lived: Lived) -> None:
        text = lived.answers["/metrics after"][1]

        assert 'tracker_events_total{result="refused",source="distribution"} 4.0' in text
        assert 'tracker_events_total{result="malformed",source="distribution"} 1.0' in text

    def test_is_logged_in_json_without_a_traceback(self, lived: Lived) -> None:
        lines = [json.loads(line) for line in lived.log.splitlines()]

        assert [line["event"] for line in lines if line["event"] in {"ready", "stopped"}] == [
            "ready",
            "stopped",
        ]
        assert [line for line in lines if "exception" in line] == []

    @pytest.mark.parametrize("secret", [EVENT_SECRET, REGISTRY_PASSWORD])
    def test_tells_nobody_a_secret(self, lived: Lived, secret: str) -> None:
        said = {
            "log": lived.log,
            "systemd": "\n".join(lived.systemd.messages),
            "commands": lived.printed,
            **{path: text for path, (_, text) in lived.answers.items()},
        }

        assert all(said.values())
        assert [place for place, text in said.items() if secret in text] == []


def test_a_service_whose_database_breaks_ends_with_one_error_and_no_traceback(folder: Path) -> None:
    with real_service(folder / "b", {"TRACKER__ENGINE_STORAGE": str(folder / "storage")}) as service:
        process = service.start().process
        assert process is not None
        with contextlib.closing(sqlite3.connect(service.state / "graph.db")) as connection:
            connection.execute("PRAGMA foreign_keys=OFF")
            connection.execute("DROP TABLE runs")

        status = process.wait(60)

    assert status == 1
    assert service.log.splitlines()[-2:] == [
        "error: the database cannot be used: no such table: runs",
        "hint: see whether the disk is full and the state folder is writable; then start it again",
    ]
    assert "Traceback" not in service.log
