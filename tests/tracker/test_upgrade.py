"""A database of the first version, `tests/oldest_database.sql`, opened by this one: nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.database import steps_applied
from graph.reference import Digest
from graph.store import GraphStore
from rebuild.runs.table import Runs, Status
from rebuild.tasks.task import Tasks
from tracker.state import STEPS, State
from tracker.watching.inbox import Box, Inbox

OLDEST = Path(__file__).parents[1] / "oldest_database.sql"


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    old = sqlite3.connect(tmp_path / "graph.db")
    old.executescript(OLDEST.read_text())
    old.close()
    connection = State(tmp_path).write()
    yield connection
    connection.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = State(tmp_path / "fresh").write()
    yield connection
    connection.close()


def columns(connection: sqlite3.Connection) -> set[tuple[object, ...]]:
    return set(
        connection.execute(
            'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM sqlite_master m'
            " JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        )
    )


def indexes_and_triggers(connection: sqlite3.Connection) -> set[tuple[object, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE type <> 'table'"))


def test_it_gets_the_tables_of_a_new_one(upgraded: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    assert steps_applied(upgraded) == STEPS
    assert columns(upgraded) == columns(fresh)
    assert indexes_and_triggers(upgraded) == indexes_and_triggers(fresh)


def test_its_tasks_are_found_by_their_repositories(upgraded: sqlite3.Connection) -> None:
    assert upgraded.execute("SELECT name, repository FROM tasks").fetchall() == [
        ("web", "github.com/team/shop")
    ]
    assert Tasks(upgraded).get(1).definition.images[0].tag == "1"


def test_its_queued_run_is_still_to_be_carried_out(upgraded: sqlite3.Connection) -> None:
    run = Runs(upgraded).get("aa1")

    assert (run.status, run.task_id) == (Status.QUEUED, 1)


def test_what_it_recorded_is_watched_with_what_was_observed(upgraded: sqlite3.Connection) -> None:
    [watched] = GraphStore(upgraded).all_watched()

    assert str(watched.reference) == "docker.io/library/alpine:3"
    assert watched.observed == Digest("sha256", "a" * 64)


def test_a_letter_that_it_had_acknowledged_is_still_there(upgraded: sqlite3.Connection) -> None:
    [letter] = Inbox(upgraded, Box.EVENTS).oldest(10)

    assert (letter.source, letter.payload, letter.headers) == ("registry", b'{"events": []}', {})


def test_steps_keep_the_names_and_the_order_that_databases_know(upgraded: sqlite3.Connection) -> None:
    names = [
        name
        for (name,) in upgraded.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = 'rebuild' ORDER BY id"
        )
    ]

    assert names[:17] == [
        "tasks_and_runs",
        "credentials_secrets_and_tokens",
        "triggers_timers_and_canceling",
        "runs_asked_of_the_service",
        "when_timers_go_off",
        "runs_of_a_wave",
        "letters_of_many_senders",
        "the_way_out_of_a_failed_run",
        "events_of_repositories",
        "repositories_that_are_asked",
        "what_forges_are_told",
        "messages_to_others",
        "images_of_syntax_lines",
        "steps_of_runs",
        "what_events_told",
        "budgets_at_registries",
        "repositories_of_tasks",
    ]
