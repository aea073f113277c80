"""Steps that make the tables of git repositories: what they tell, are asked, and what forges are told."""

from __future__ import annotations

from sqlite_utils import Database

from graph.migrations import run_statements


def events_of_repositories(db: Database) -> None:
    run_statements(
        db,
        """
        -- JSON: what besides the branch a source trigger looks at, see rebuild/tasks/triggers.py.
        ALTER TABLE source_triggers ADD COLUMN filters TEXT NOT NULL DEFAULT '{}';
        -- What of a repository has been seen for a task. Of a subject the newest row is where it stands;
        -- the commits of the others are known to be older.
        CREATE TABLE source_commits (
          id INTEGER PRIMARY KEY,
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          subject TEXT NOT NULL,            -- heads/main, tags/v1, pull/7
          commit_id TEXT NOT NULL,          -- empty: it was deleted
          seen_at TEXT NOT NULL,
          UNIQUE (task_id, subject, commit_id)
        );
        -- Commits that wait for their run, the newest of each subject.
        CREATE TABLE source_requests (
          id INTEGER PRIMARY KEY,
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          subject TEXT NOT NULL,
          revision TEXT NOT NULL,           -- JSON
          reason TEXT NOT NULL,             -- JSON, as runs have it
          asked_at TEXT NOT NULL,
          UNIQUE (task_id, subject)
        );
        CREATE TABLE hook_inbox (
          id INTEGER PRIMARY KEY,
          source TEXT NOT NULL,
          received_at TEXT NOT NULL,
          payload BLOB NOT NULL,
          headers TEXT NOT NULL DEFAULT '{}'
        );
        CREATE INDEX hook_inbox_by_source ON hook_inbox(source);
        -- What tries a pull request out makes none of the task's images: it waits for nothing of the task.
        DROP INDEX one_queued_run_a_task;
        CREATE UNIQUE INDEX one_queued_run_a_task ON runs(task_id)
          WHERE status = 'Queued' AND task_id IS NOT NULL AND cause <> 'pull-request';
        """,
    )


def repositories_that_are_asked(db: Database) -> None:
    run_statements(
        db,
        """
        -- Every git repository that a source trigger looks at, and when it is to be asked for its refs.
        CREATE TABLE repositories (
          id INTEGER PRIMARY KEY,
          url TEXT NOT NULL UNIQUE,
          host TEXT NOT NULL,
          due_at TEXT NOT NULL,
          asked_at TEXT,                    -- NULL: its refs have never been seen
          kinds TEXT NOT NULL DEFAULT '',   -- of the refs that were asked for then
          failures INTEGER NOT NULL DEFAULT 0,
          is_host_down INTEGER NOT NULL DEFAULT 0, -- the last failure was one of the host, not of this alone
          fault TEXT,
          hint TEXT,
          confirmed INTEGER NOT NULL DEFAULT 0, -- changes in a row that webhooks had told before the poll did
          missed INTEGER NOT NULL DEFAULT 0  -- changes that the poll alone has seen
        );
        CREATE INDEX repositories_due ON repositories(due_at);
        CREATE TABLE repository_heads (
          repository_id INTEGER NOT NULL REFERENCES repositories(id) ON DELETE CASCADE,
          ref TEXT NOT NULL,                -- refs/heads/main; of an annotated tag the commit that it names
          commit_id TEXT NOT NULL,
          PRIMARY KEY (repository_id, ref)
        ) WITHOUT ROWID;
        -- Why a forge does not let a task do something, until it does.
        CREATE TABLE forge_refusals (
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          what TEXT NOT NULL,               -- statuses, pull requests
          message TEXT NOT NULL,
          hint TEXT,
          at TEXT NOT NULL,
          PRIMARY KEY (task_id, what)
        ) WITHOUT ROWID;
        CREATE TABLE task_webhooks (
          task_id INTEGER PRIMARY KEY REFERENCES tasks(id) ON DELETE CASCADE,
          repository TEXT NOT NULL,         -- as the context names it
          url TEXT NOT NULL,                -- that the forge calls
          registered_at TEXT NOT NULL
        );
        """,
    )


def what_forges_are_told(db: Database) -> None:
    run_statements(
        db,
        """
        -- What forges are to be told of commits. Triggers keep it in step with the runs, so that whatever
        -- changes a run changes what is told of it, in the same transaction.
        CREATE TABLE commit_statuses (
          id INTEGER PRIMARY KEY,
          task_id INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
          commit_id TEXT NOT NULL,
          run INTEGER NOT NULL,
          status TEXT NOT NULL,             -- of the run; Replaced: the run builds something else now
          told TEXT,                        -- the status that the forge has last been told
          due_at TEXT,                      -- NULL: nothing new to tell; empty: at once
          since_at TEXT,                    -- when telling this status was first tried
          attempts INTEGER NOT NULL DEFAULT 0,
          UNIQUE (task_id, commit_id)
        );
        CREATE INDEX commit_statuses_due ON commit_statuses(due_at) WHERE due_at IS NOT NULL;
        CREATE TRIGGER forges_hear_of_new_runs AFTER INSERT ON runs
          WHEN NEW.task_id IS NOT NULL AND json_extract(NEW.definition, '$.revision.commit') IS NOT NULL
          BEGIN INSERT INTO commit_statuses(task_id, commit_id, run, status, due_at) VALUES
            (NEW.task_id, json_extract(NEW.definition, '$.revision.commit'), NEW.number, NEW.status, '')
            ON CONFLICT(task_id, commit_id) DO UPDATE SET run = excluded.run, status = excluded.status,
              due_at = '', since_at = NULL, attempts = 0; END;
        CREATE TRIGGER forges_hear_how_runs_go_on AFTER UPDATE OF status ON runs
          WHEN NEW.task_id IS NOT NULL AND NEW.status <> OLD.status
          BEGIN UPDATE commit_statuses SET status = NEW.status, due_at = '', since_at = NULL, attempts = 0
            WHERE task_id = NEW.task_id AND run = NEW.number
            AND commit_id = json_extract(NEW.definition, '$.revision.commit'); END;
        CREATE TRIGGER forges_hear_what_runs_are_not_for AFTER UPDATE OF definition ON runs
          WHEN NEW.task_id IS NOT NULL AND json_extract(OLD.definition, '$.revision.commit')
            IS NOT json_extract(NEW.definition, '$.revision.commit')
          BEGIN UPDATE commit_statuses SET status = 'Replaced', due_at = '', since_at = NULL, attempts = 0
            WHERE task_id = NEW.task_id AND run = NEW.number
            AND commit_id = json_extract(OLD.definition, '$.revision.commit'); END;
        CREATE TRIGGER forges_hear_what_runs_are_for AFTER UPDATE OF definition ON runs
          WHEN NEW.task_id IS NOT NULL AND json_extract(NEW.definition, '$.revision.commit') IS NOT NULL
            AND json_extract(NEW.definition, '$.revision.commit')
              IS NOT json_extract(OLD.definition, '$.revision.commit')
          BEGIN INSERT INTO commit_statuses(task_id, commit_id, run, status, due_at) VALUES
            (NEW.task_id, json_extract(NEW.definition, '$.revision.commit'), NEW.number, NEW.status, '')
            ON CONFLICT(task_id, commit_id) DO UPDATE SET run = excluded.run, status = excluded.status,
              due_at = '', since_at = NULL, attempts = 0; END;
        """,
    )


def commits_that_are_tried_again(db: Database) -> None:
    # When the commit may have its run; empty: at once. Later for one whose last run could not be carried out.
    run_statements(db, "ALTER TABLE source_requests ADD COLUMN due_at TEXT NOT NULL DEFAULT '';")
