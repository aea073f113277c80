"""Steps that make and change the tables of what registries tell and grant."""

from __future__ import annotations

from sqlite_utils import Database

from graph.migrations import run_statements


def letters_of_many_senders(db: Database) -> None:
    run_statements(
        db,
        """
        ALTER TABLE inbox ADD COLUMN headers TEXT NOT NULL DEFAULT '{}';
        CREATE INDEX inbox_by_source ON inbox(source);
        """,
    )


def what_events_told(db: Database) -> None:
    run_statements(
        db,
        """
        -- Whether changes in a place, a registry or one repository, are told of by events.
        CREATE TABLE event_paths (
          place TEXT PRIMARY KEY,
          source TEXT NOT NULL,             -- the sender that told last
          told INTEGER NOT NULL DEFAULT 0,  -- changes in a row
          told_since TEXT,
          told_at TEXT,
          missed INTEGER NOT NULL DEFAULT 0,
          missed_at TEXT,
          missed_name TEXT
        ) WITHOUT ROWID;
        CREATE TABLE event_words (
          image_id INTEGER PRIMARY KEY REFERENCES images(id) ON DELETE CASCADE,
          place TEXT NOT NULL,
          heard_at TEXT NOT NULL            -- when an event last told of the image
        );
        """,
    )


def budgets_at_registries(db: Database) -> None:
    run_statements(
        db,
        """
        -- What registries last said that they still grant to an account; the empty one is nobody's.
        CREATE TABLE registry_budgets (
          registry TEXT NOT NULL,
          account TEXT NOT NULL,
          pulls_left INTEGER,
          pulls_limit INTEGER,
          window_s INTEGER,
          told_at TEXT,
          closed_until TEXT,                -- NULL: it may be asked
          PRIMARY KEY (registry, account)
        ) WITHOUT ROWID;
        """,
    )
