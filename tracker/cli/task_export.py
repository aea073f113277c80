"""`tracker task export`: saved tasks as files of tasks declare them. Changes nothing."""

from __future__ import annotations

import click

from tracker.cli.completing import task_names
from tracker.cli.main import Place
from tracker.cli.seen import seen
from tracker.remote.service import ServerAsked, server_options
from tracker.tasks.exported import as_yaml, exported
from tracker.views.tasks import SavedTasks, TaskView, task_view, tasks_view


@click.command("export")
@click.option(
    "-n", "--name", "names", multiple=True, metavar="NAME", shell_complete=task_names,
    help="This task; repeat for more. Default: every task.",
)  # fmt: skip
@server_options
@click.pass_obj
def export(place: Place, names: tuple[str, ...], server: ServerAsked) -> None:
    """Print saved tasks as 'tracker task apply' takes them: YAML, one document a task.

    Of secrets only where they come from; those that are kept as values are left out, and told.
    """
    if names:
        tasks = [seen(place, server, "task", TaskView, task_view, task=name) for name in dict.fromkeys(names)]
    else:
        tasks = seen(place, server, "tasks", SavedTasks, tasks_view).tasks
    found = {task.name: exported(task.plain) for task in tasks}
    for name, one in found.items():
        for key in one.left_out:
            click.echo(
                f"warning: task {name}: {key} left out: it holds a value, which nobody is told", err=True
            )
    if found:
        click.echo(as_yaml(one.document for one in found.values()), nl=False)
