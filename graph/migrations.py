"""The tables of the graph, as steps that are applied once each and never edited afterwards."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

from graph.database import SCHEMA, immediate, schema_of
from graph.errors import StoreError

graph_tables = Migrations("graph")


def migrate(connection: sqlite3.Connection, *sets: Migrations) -> None:
    """Bring the file up to date; a step that is already there is left alone.

    Raises `StoreError` where a newer release has been at the file. One transaction: of two processes
    that start at once, the second finds the work done.
    """
    with immediate(connection):
        if schema_of(connection) > SCHEMA:
            raise StoreError(
                "the database was written by a newer release of tracker",
                hint="install that release again, or name another folder with --state",
            )
        database = Database(connection)
        for steps in sets:
            steps.apply(database)
        if graph_tables in sets:
            connection.execute(f"PRAGMA user_version={SCHEMA}")


@graph_tables()
def images_and_digests(db: Database) -> None:
    # Integer keys and WITHOUT ROWID edges: 3 times faster to walk and 8 times smaller than text keys.
    run_statements(
        db,
        """
        CREATE TABLE digests (
          id INTEGER PRIMARY KEY,
          value TEXT NOT NULL UNIQUE,
          looked_into INTEGER NOT NULL DEFAULT 0  -- 1: its manifests are known (none: it is no index)
        );
        CREATE TABLE manifests (
          index_id INTEGER NOT NULL REFERENCES digests(id),
          platform TEXT NOT NULL,
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          PRIMARY KEY (index_id, platform)
        ) WITHOUT ROWID;
        CREATE TABLE images (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          origin TEXT NOT NULL,
          task_id INTEGER,
          build_id INTEGER
        );
        CREATE INDEX images_by_task ON images(task_id) WHERE task_id IS NOT NULL;
        """,
    )


@graph_tables()
def builds_and_edges(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE builds (
          id INTEGER PRIMARY KEY,
          run_id TEXT,
          task_id INTEGER,
          digest_id INTEGER REFERENCES digests(id),
          content_id TEXT NOT NULL,
          platforms TEXT NOT NULL,
          pushed INTEGER NOT NULL,
          built_at TEXT NOT NULL,
          duration_s REAL NOT NULL
        );
        CREATE TABLE edges (
          image_id INTEGER NOT NULL REFERENCES images(id),
          base_id INTEGER NOT NULL REFERENCES images(id),
          role TEXT NOT NULL,
          via TEXT NOT NULL,
          stage TEXT NOT NULL,
          line INTEGER NOT NULL,
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          platforms TEXT NOT NULL,
          followed INTEGER NOT NULL DEFAULT 1,  -- 0: would close a circle, so a change there rebuilds nothing
          PRIMARY KEY (image_id, base_id)
        ) WITHOUT ROWID;
        CREATE INDEX edges_by_base ON edges(base_id, followed, digest_id);
        CREATE TABLE build_bases (
          build_id INTEGER NOT NULL REFERENCES builds(id),
          base_id INTEGER NOT NULL REFERENCES images(id),
          role TEXT NOT NULL,
          via TEXT NOT NULL,
          stage TEXT NOT NULL,
          line INTEGER NOT NULL,
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          platforms TEXT NOT NULL,
          PRIMARY KEY (build_id, base_id)
        ) WITHOUT ROWID;
        """,
    )


@graph_tables()
def layers(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE layers (
          digest_id INTEGER PRIMARY KEY REFERENCES digests(id),  -- of a platform's manifest
          diff_ids TEXT NOT NULL                                 -- uncompressed layers, lowest first
        );
        """,
    )


@graph_tables()
def observations(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE observations (
          image_id INTEGER PRIMARY KEY REFERENCES images(id),
          digest_id INTEGER REFERENCES digests(id),
          changed_at TEXT,           -- when this digest was first seen there
          checked_at TEXT,           -- when the registry last answered
          due_at TEXT,               -- when to ask next; NULL: nobody stands on it
          failures INTEGER NOT NULL DEFAULT 0,
          error TEXT
        );
        CREATE INDEX observations_by_due ON observations(due_at) WHERE due_at IS NOT NULL;
        CREATE TABLE observation_history (
          id INTEGER PRIMARY KEY,
          image_id INTEGER NOT NULL REFERENCES images(id),
          digest_id INTEGER NOT NULL REFERENCES digests(id),
          previous_id INTEGER REFERENCES digests(id),
          observed_at TEXT NOT NULL,
          source TEXT NOT NULL
        );
        CREATE INDEX observation_history_by_image ON observation_history(image_id, id);
        """,
    )


@graph_tables()
def moved_and_unfollowed(db: Database) -> None:
    # So that a look at a large graph in which nothing moved touches nothing.
    run_statements(
        db,
        """
        -- moved is 1 where an edge that is followed was recorded with another digest than the observed one
        ALTER TABLE observations ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX observations_moved ON observations(image_id) WHERE moved = 1;
        UPDATE observations SET moved = 1 WHERE EXISTS (
          SELECT 1 FROM edges e
          WHERE e.base_id = observations.image_id AND e.followed = 1 AND e.digest_id <> observations.digest_id
        );
        CREATE INDEX edges_unfollowed ON edges(image_id, base_id) WHERE followed = 0;
        """,
    )


@graph_tables()
def builds_by_image(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE build_images (
          image_id INTEGER NOT NULL REFERENCES images(id),
          build_id INTEGER NOT NULL REFERENCES builds(id),
          PRIMARY KEY (image_id, build_id)
        ) WITHOUT ROWID;
        CREATE INDEX build_images_by_build ON build_images(build_id);
        INSERT INTO build_images SELECT id, build_id FROM images WHERE build_id IS NOT NULL;
        """,
    )


@graph_tables()
def said_bases(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE said_bases (
          digest_id INTEGER PRIMARY KEY REFERENCES digests(id),  -- of the manifest whose words these are
          base_id INTEGER REFERENCES images(id),                 -- NULL: it was asked, and names no base
          base_digest_id INTEGER REFERENCES digests(id)
        );
        """,
    )


@graph_tables()
def expected_bases(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE expected_bases (
          task_id INTEGER NOT NULL,         -- has not built anything since it was saved like this
          base_id INTEGER NOT NULL REFERENCES images(id),
          role TEXT NOT NULL,
          via TEXT NOT NULL,
          place TEXT NOT NULL,              -- the step that names it, empty for a Dockerfile
          line INTEGER NOT NULL,
          PRIMARY KEY (task_id, base_id)
        ) WITHOUT ROWID;
        CREATE INDEX expected_bases_by_base ON expected_bases(base_id);
        """,
    )


@graph_tables()
def newer_tags_and_pins(db: Database) -> None:
    run_statements(
        db,
        """
        -- Edges whose base is the newest tag by a rule, as of the build that recorded them.
        CREATE TABLE followings (
          image_id INTEGER NOT NULL REFERENCES images(id),
          base_id INTEGER NOT NULL REFERENCES images(id),
          written TEXT NOT NULL,            -- the reference in the file
          rule TEXT NOT NULL,
          repository TEXT NOT NULL,
          newer_id INTEGER REFERENCES images(id),  -- the tag that the rule leads to by now; NULL: none newer
          noted_at TEXT,                    -- since when
          PRIMARY KEY (image_id, base_id)
        ) WITHOUT ROWID;
        CREATE INDEX followings_by_repository ON followings(repository);
        CREATE INDEX followings_overtaken ON followings(newer_id) WHERE newer_id IS NOT NULL;
        CREATE TABLE tag_lists (
          repository TEXT PRIMARY KEY,      -- with its registry
          tags TEXT,                        -- JSON, as the registry listed them; NULL: not asked yet
          etag TEXT,
          changed_at TEXT,
          checked_at TEXT,
          due_at TEXT NOT NULL,
          failures INTEGER NOT NULL DEFAULT 0,
          error TEXT
        ) WITHOUT ROWID;
        -- Names that have a tag beside their digest: what the tag points to is told, and never acted upon.
        CREATE TABLE pinned_tags (
          image_id INTEGER PRIMARY KEY REFERENCES images(id),
          tag_id INTEGER NOT NULL REFERENCES images(id)
        );
        CREATE INDEX pinned_tags_by_tag ON pinned_tags(tag_id);
        """,
    )


@graph_tables()
def tags_of_known_pins(db: Database) -> None:
    """Watch the tags of bases that were recorded before anybody looked at them."""
    connection = db.conn
    now = connection.execute("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now')").fetchone()[0]
    for image_id, name in connection.execute(
        "SELECT id, name FROM images WHERE name LIKE '%:%@%'"
    ).fetchall():
        tag = name.partition("@")[0]
        if ":" not in tag.rpartition("/")[2]:
            continue
        connection.execute("INSERT OR IGNORE INTO images(name, origin) VALUES (?, 'external')", (tag,))
        tag_id = connection.execute("SELECT id FROM images WHERE name = ?", (tag,)).fetchone()[0]
        connection.execute("INSERT INTO pinned_tags VALUES (?, ?)", (image_id, tag_id))
        connection.execute(
            "INSERT INTO observations(image_id, due_at) VALUES (?, ?) ON CONFLICT(image_id)"
            " DO UPDATE SET due_at = coalesce(due_at, excluded.due_at)",
            (tag_id, now),
        )


@graph_tables()
def steps_of_builds(db: Database) -> None:
    db.execute("ALTER TABLE builds ADD COLUMN step TEXT NOT NULL DEFAULT ''")  # '': of a Dockerfile alone


@graph_tables()
def content_of_bases(db: Database) -> None:
    # whether the config says what only docker's format of images has; NULL: nobody has looked
    db.execute("ALTER TABLE layers ADD COLUMN of_docker INTEGER")


def run_statements(db: Database, script: str) -> None:
    """Each statement by itself: executescript would commit the transaction that the migration runs in."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)
