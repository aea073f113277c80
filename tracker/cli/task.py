"""`tracker task`: which commands there are, and where. Imports none of them."""

from __future__ import annotations

import click

from tracker.cli.habits import PLACES, RUNS, TASKS, takes
from tracker.cli.main import LazyGroup

TASK_COMMANDS: dict[str, tuple[str, str]] = {
    "apply": ("tracker.cli.task_apply:apply", "Make the saved tasks equal to those of a file or folder."),
    "cancel-run": ("tracker.cli.task_runs:cancel_run_command", "End a run that is queued or under way."),
    "create": ("tracker.cli.task_change:create", "Save a new task, and watch its bases."),
    "credential": ("tracker.cli.task_credential:credential", "Who a task is to registries."),
    "delete": ("tracker.cli.task_change:delete", "Remove a task; what it built stays."),
    "export": ("tracker.cli.task_export:export", "Saved tasks as 'apply' takes them, in YAML."),
    "list": ("tracker.cli.task_show:list_tasks", "Every task."),
    "list-runs": ("tracker.cli.task_runs:list_runs", "The runs of tasks, newest first."),
    "logs": ("tracker.cli.task_runs:logs", "The log of a run of a task."),
    "run": ("tracker.cli.task_run:run", "Run a task now."),
    "show": ("tracker.cli.task_show:show", "All about one task."),
    "show-run": ("tracker.cli.task_runs:show_run", "All about one run."),
    "timer": ("tracker.cli.task_timer:timer", "The timers of a task."),
    "update": ("tracker.cli.task_change:update", "Change what is given of a task, and leave the rest."),
    "update-run": ("tracker.cli.task_runs:update_run", "Keep the log of a run, or let it go with its time."),
}


class TaskGroup(LazyGroup):
    """Its commands take what scripts of `az acr task` give them."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        return takes(command, *PLACES, *RUNS, *TASKS) if command else None


@click.group("task", cls=TaskGroup, table=TASK_COMMANDS)
def task() -> None:
    """Saved tasks: what is built again by itself, or when somebody asks."""
