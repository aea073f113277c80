"""Opening the file: what is refused, and what a transaction guarantees."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from graph.database import SCHEMA, immediate, numbers, open_for_reading, open_for_writing, schema_of
from graph.errors import StoreError
from graph.migrations import graph_tables, migrate
from tests.graph.world import World


def test_reading_a_file_that_is_not_there_says_how_it_comes_to_be(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refusal:
        open_for_reading(tmp_path / "graph.db")

    assert "nothing has been recorded yet" in refusal.value.message
    assert "tracker build" in str(refusal.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "graph.db").write_text("not a database, but long enough to be taken for one" * 50)

    with pytest.raises(StoreError, match=r"graph\.db"):
        open_for_reading(tmp_path / "graph.db")


def test_a_reader_cannot_write(world: World) -> None:
    reader = open_for_reading(world.path)

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM images")
    reader.close()


def test_a_file_of_another_user_is_said_to_be_one(world: World) -> None:
    file = world.sql.execute("PRAGMA database_list").fetchone()[2]
    theirs = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)

    with pytest.raises(StoreError, match="is not this user's to write") as refusal, immediate(theirs):
        theirs.execute("DELETE FROM images")

    theirs.close()
    assert file in refusal.value.message
    assert "sudo -u tracker" in str(refusal.value.hint)


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "50% of #1? yes" / "graph.db"
    writer = open_for_writing(path)
    migrate(writer, graph_tables)

    open_for_reading(path).close()

    assert path.exists()
    writer.close()


@pytest.mark.parametrize(("schema", "release"), [(SCHEMA - 1, "older"), (SCHEMA + 1, "newer")])
def test_a_file_of_another_release_is_not_read(world: World, schema: int, release: str) -> None:
    world.sql.execute(f"PRAGMA user_version={schema}")

    with pytest.raises(StoreError, match=f"by an? {release} release"):
        open_for_reading(world.path)


def test_a_file_of_a_newer_release_is_left_alone(world: World) -> None:
    world.sql.execute(f"PRAGMA user_version={SCHEMA + 1}")

    with pytest.raises(StoreError, match="newer release"):
        migrate(world.sql, graph_tables)

    assert schema_of(world.sql) == SCHEMA + 1


def test_the_number_of_the_schema_is_the_number_of_its_steps(world: World) -> None:
    steps = world.sql.execute("SELECT count(*) FROM _sqlite_migrations WHERE migration_set = 'graph'")

    assert steps.fetchone() == (SCHEMA,)


def test_migrating_twice_changes_nothing(world: World) -> None:
    before = world.sql.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()

    migrate(world.sql, graph_tables)

    assert world.sql.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall() == before


def test_a_file_from_before_the_mark_of_moved_bases_is_marked(world: World) -> None:
    world.build("app", "alpine", task=1)
    world.publish("alpine", "new", 5)
    for statement in (
        "DROP INDEX observations_moved",
        "DROP INDEX edges_unfollowed",
        "ALTER TABLE observations DROP COLUMN moved",
        "DELETE FROM _sqlite_migrations WHERE name = 'moved_and_unfollowed'",
    ):
        world.sql.execute(statement)

    migrate(world.sql, graph_tables)

    assert world.decisions().keys() == {"app"}


def test_a_transaction_that_fails_leaves_nothing_behind(world: World) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), immediate(world.sql):
        world.sql.execute("INSERT INTO images(name, origin) VALUES ('x', 'built')")
        raise RuntimeError("on purpose")

    assert world.sql.execute("SELECT count(*) FROM images").fetchone() == (0,)
    assert not world.sql.in_transaction


def test_foreign_keys_are_enforced(world: World) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        world.sql.execute("INSERT INTO observations(image_id) VALUES (12345)")


def test_a_list_of_numbers_is_one_parameter(world: World) -> None:
    rows = world.sql.execute("SELECT value FROM json_each(?)", (numbers([3, 1, 2]),))

    assert [row[0] for row in rows] == [3, 1, 2]
