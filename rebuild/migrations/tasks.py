"""Steps that make and change the tables of tasks: what opens things for them, their triggers and timers."""

from __future__ import annotations

from sqlite_utils import Database

from graph.migrations import run_statements
from rebuild.sources.repository_url import key_of


def tasks_and_runs(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE tasks (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          definition TEXT NOT NULL,
          enabled INTEGER NOT NULL DEFAULT 1,
          created_at TEXT NOT NULL,
          updated_at TEXT NOT NULL
        );
        CREATE TABLE waves (
          id INTEGER PRIMARY KEY,
          created_at TEXT NOT NULL,
          finished_at TEXT,
          planned TEXT NOT NULL,            -- task ids in order, as planned when it began
          critical_path_s REAL NOT NULL,
          work_s REAL NOT NULL
        );
        CREATE TABLE runs (
          number INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,
          task_id INTEGER REFERENCES tasks(id),
          wave_id INTEGER REFERENCES waves(id),
          cause TEXT NOT NULL,
          reason TEXT NOT NULL,             -- JSON: what moved, from where to where
          definition TEXT NOT NULL,         -- JSON: what to build, as it stood when the run was asked for
          status TEXT NOT NULL,
          priority REAL NOT NULL DEFAULT 0,
          attempt INTEGER NOT NULL DEFAULT 1,
          owner TEXT,                       -- the process that carries it out
          intent TEXT,                      -- JSON: the build that is about to be pushed
          outputs TEXT NOT NULL DEFAULT '[]',
          error TEXT,
          created_at TEXT NOT NULL,
          started_at TEXT,
          finished_at TEXT
        );
        CREATE INDEX runs_by_task ON runs(task_id, number);
        CREATE INDEX runs_open ON runs(status) WHERE finished_at IS NULL;
        CREATE UNIQUE INDEX one_queued_run_a_task ON runs(task_id)
          WHERE status = 'Queued' AND task_id IS NOT NULL;
        CREATE TABLE inbox (
          id INTEGER PRIMARY KEY,
          source TEXT NOT NULL,
          received_at TEXT NOT NULL,
          payload BLOB NOT NULL
        );
        """,
    )


def credentials_secrets_and_tokens(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE credentials (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          registry TEXT NOT NULL,
          username TEXT,                    -- a source (kept_source.py); NULL: the password is a token
          password TEXT NOT NULL,
          created_at TEXT NOT NULL,
          updated_at TEXT NOT NULL,
          PRIMARY KEY (task_id, registry)
        ) WITHOUT ROWID;
        CREATE TABLE task_secrets (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          use TEXT NOT NULL,
          name TEXT NOT NULL,
          source TEXT NOT NULL,
          updated_at TEXT NOT NULL,
          PRIMARY KEY (task_id, use, name)
        ) WITHOUT ROWID;
        CREATE TABLE tokens (
          id INTEGER PRIMARY KEY,
          name TEXT NOT NULL UNIQUE,
          hash BLOB NOT NULL,               -- SHA-256 of the token, which is random: no salt, no stretching
          scopes TEXT NOT NULL,
          created_at TEXT NOT NULL,
          last_used_at TEXT,
          expires_at TEXT
        );
        """,
    )


def triggers_timers_and_canceling(db: Database) -> None:
    run_statements(
        db,
        """
        CREATE TABLE base_image_triggers (  -- a task without a row here has the usual one
          task_id INTEGER PRIMARY KEY REFERENCES tasks(id) ON DELETE CASCADE,
          name TEXT NOT NULL,
          enabled INTEGER NOT NULL,
          bases TEXT NOT NULL,              -- All, Runtime
          endpoint TEXT,
          payload TEXT NOT NULL
        );
        CREATE TABLE source_triggers (
          task_id INTEGER PRIMARY KEY REFERENCES tasks(id) ON DELETE CASCADE,
          name TEXT NOT NULL,
          enabled INTEGER NOT NULL,
          commits INTEGER NOT NULL,
          pull_requests INTEGER NOT NULL,
          branch TEXT                       -- NULL: the default branch of the repository
        );
        CREATE TABLE timers (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          name TEXT NOT NULL,
          schedule TEXT NOT NULL,
          enabled INTEGER NOT NULL,
          time_zone TEXT NOT NULL,
          PRIMARY KEY (task_id, name)
        ) WITHOUT ROWID;
        ALTER TABLE runs ADD COLUMN cancel_requested_at TEXT;
        ALTER TABLE runs ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX runs_archived ON runs(id) WHERE archived;
        CREATE INDEX runs_canceled ON runs(task_id) WHERE cancel_requested_at IS NOT NULL;
        """,
    )


def when_timers_go_off(db: Database) -> None:
    run_statements(
        db,
        """
        -- When it is due. NULL: it rests.
        ALTER TABLE timers ADD COLUMN next_at TEXT;
        -- What the clock said when next_at was found.
        ALTER TABLE timers ADD COLUMN planned_at TEXT;
        -- When it last made a run.
        ALTER TABLE timers ADD COLUMN fired_at TEXT;
        CREATE INDEX timers_due ON timers(next_at) WHERE next_at IS NOT NULL;
        """,
    )


def images_of_syntax_lines(db: Database) -> None:
    # Whether the image that a `# syntax=` line names counts as a base.
    run_statements(db, "ALTER TABLE base_image_triggers ADD COLUMN syntax INTEGER NOT NULL DEFAULT 1;")


def repositories_of_tasks(db: Database) -> None:
    db.execute("ALTER TABLE tasks ADD COLUMN repository TEXT")  # the key of its context, where that is one
    db.execute("CREATE INDEX tasks_repository ON tasks(repository)")
    contexts = "SELECT id, json_extract(definition, '$.context') FROM tasks"
    for task_id, context in db.execute(contexts).fetchall():
        db.execute("UPDATE tasks SET repository = ? WHERE id = ?", (key_of(context), task_id))
