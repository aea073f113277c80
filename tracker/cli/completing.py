"""What a shell may complete besides commands and options: names of tasks, ids of runs. Changes nothing."""

from __future__ import annotations

import click

from graph.errors import TrackerError
from tracker.cli.looking import looking
from tracker.cli.main import Place

_MOST = 200


def task_names(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    return _found(context, "SELECT name FROM tasks WHERE substr(name, 1, length(?1)) = ?1 LIMIT ?2", begun)


def run_ids(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    """Newest first."""
    query = "SELECT id FROM runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY number DESC LIMIT ?2"
    return _found(context, query, begun)


def _found(context: click.Context, query: str, begun: str) -> list[str]:
    """Nothing where there is no database: a shell that completes has no place for an error."""
    asked = context.find_root().params
    try:
        with looking(Place(asked.get("config"), asked.get("state"))) as look:
            return [row[0] for row in look.sql.execute(query, (begun, _MOST))]
    except TrackerError:
        return []
