"""The tables of tasks, runs, waves and the inbox: steps that are applied once each, in this order.

A database knows by their names which of them it has had. What was released is never edited, moved or
renamed; a new step goes to the end, into the file of its subject or one of its own.
"""

from __future__ import annotations

from sqlite_utils import Migrations

from rebuild.migrations import registries, runs, sources, tasks

run_tables = Migrations("rebuild")

for _step in (
    tasks.tasks_and_runs,
    tasks.credentials_secrets_and_tokens,
    tasks.triggers_timers_and_canceling,
    runs.runs_asked_of_the_service,
    tasks.when_timers_go_off,
    runs.runs_of_a_wave,
    registries.letters_of_many_senders,
    runs.the_way_out_of_a_failed_run,
    sources.events_of_repositories,
    sources.repositories_that_are_asked,
    sources.what_forges_are_told,
    runs.messages_to_others,
    tasks.images_of_syntax_lines,
    runs.steps_of_runs,
    registries.what_events_told,
    registries.budgets_at_registries,
    tasks.repositories_of_tasks,
    sources.commits_that_are_tried_again,
):
    run_tables()(_step)

__all__ = ["run_tables"]
