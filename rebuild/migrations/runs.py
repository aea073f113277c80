"""Steps that change the tables of runs and waves, and make that of messages about how they ended."""

from __future__ import annotations

from sqlite_utils import Database

from graph.migrations import run_statements


def runs_asked_of_the_service(db: Database) -> None:
    run_statements(
        db,
        """
        -- NULL: the process that carries it out asked for it.
        ALTER TABLE runs ADD COLUMN asked_by TEXT;
        CREATE TABLE run_secrets (
          run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE,
          use TEXT NOT NULL,
          name TEXT NOT NULL,
          source TEXT NOT NULL,             -- as in task_secrets
          PRIMARY KEY (run, use, name)
        ) WITHOUT ROWID;
        CREATE TRIGGER run_secrets_end_with_their_run AFTER UPDATE OF finished_at ON runs
          WHEN NEW.finished_at IS NOT NULL
          BEGIN DELETE FROM run_secrets WHERE run = NEW.number; END;
        """,
    )


def runs_of_a_wave(db: Database) -> None:
    # A wave that is deleted asks whether a run still names it.
    run_statements(db, "CREATE INDEX runs_by_wave ON runs(wave_id) WHERE wave_id IS NOT NULL;")


def the_way_out_of_a_failed_run(db: Database) -> None:
    run_statements(db, "ALTER TABLE runs ADD COLUMN hint TEXT;")


def messages_to_others(db: Database) -> None:
    run_statements(
        db,
        """
        -- What is to be sent to others, until it is taken or given up.
        CREATE TABLE outbox (
          id INTEGER PRIMARY KEY,
          -- The receiver knows a repetition by it.
          delivery TEXT NOT NULL UNIQUE DEFAULT ('msg_' || lower(hex(randomblob(16)))),
          kind TEXT NOT NULL,
          receiver TEXT NOT NULL,           -- a section of the settings; for an update trigger its server
          target INTEGER NOT NULL,          -- which of the receiver's addresses
          task_id INTEGER REFERENCES tasks(id) ON DELETE CASCADE,  -- of an update trigger
          body TEXT NOT NULL,               -- JSON, without any secret
          created_at TEXT NOT NULL,
          due_at TEXT NOT NULL,
          tries INTEGER NOT NULL DEFAULT 0,
          fault TEXT                        -- of the last try
        );
        CREATE INDEX outbox_by_lane ON outbox(kind, receiver, target, due_at);
        -- Whether its end has still to become messages.
        ALTER TABLE runs ADD COLUMN unannounced INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE waves ADD COLUMN unannounced INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX runs_unannounced ON runs(number) WHERE unannounced;
        CREATE INDEX waves_unannounced ON waves(id) WHERE unannounced;
        """,
    )


def steps_of_runs(db: Database) -> None:
    run_statements(
        db,
        """
        -- How the steps of a task file ended, as far as they have.
        CREATE TABLE steps (
          run INTEGER NOT NULL REFERENCES runs(number) ON DELETE CASCADE,
          place INTEGER NOT NULL,           -- in the file, from 0
          id TEXT NOT NULL,
          kind TEXT NOT NULL,
          status TEXT NOT NULL,
          started_at TEXT,                  -- NULL: it never did
          finished_at TEXT,
          exit_code INTEGER,
          tries INTEGER NOT NULL,
          PRIMARY KEY (run, place)
        ) WITHOUT ROWID;
        CREATE TRIGGER steps_are_those_of_the_last_attempt AFTER UPDATE OF attempt ON runs
          BEGIN DELETE FROM steps WHERE run = NEW.number; END;
        """,
    )
