"""Carries out one run in this process, where no service does it. Prints nothing but the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from graph.clock import now
from graph.database import immediate
from graph.errors import TrackerError
from rebuild.images.tools import Tools
from rebuild.runs.cancel import carry_out_unless_canceled
from rebuild.runs.definition import Definition
from rebuild.runs.owner import this_process
from rebuild.runs.recovery import close_logs, recover
from rebuild.runs.run import Outcome, Workplace
from rebuild.runs.scratch import abandoned, sweep
from rebuild.runs.table import Cause, Run, Runs, Status
from rebuild.secrets.context_secrets import OF_SERVER, kept_with_task, of_the_same_server
from rebuild.secrets.secret_source import Source
from rebuild.secrets.task_secrets import SecretUse, TaskSecrets
from rebuild.tasks.task import Tasks
from tracker.ending import ended_by_signals
from tracker.workshop import Workshop


async def carry_out_here(
    workshop: Workshop,
    definition: Definition,
    task_name: str | None = None,
    *,
    check: Callable[[Tools], None] = lambda tools: None,
    announce: Callable[[Run], None] = lambda run: None,
) -> tuple[Run, Outcome]:
    """Save the task if there is one, and carry out a run of it. What `check` raises changes nothing;
    `announce` hears of the run before it begins.

    Interrupted, the run is recorded as canceled, and the interruption goes on to the caller.
    """

    def claim() -> Run:
        run = _claimed(workshop, definition, task_name)
        announce(run)
        return run

    return await carry_out_claimed(workshop, claim, check=check)


async def carry_out_claimed(
    workshop: Workshop, claim: Callable[[], Run], *, check: Callable[[Tools], None] = lambda tools: None
) -> tuple[Run, Outcome]:
    """Carry out the run that `claim` takes, once everything that it needs is there."""
    with ended_by_signals():
        return await _carry_out(workshop, claim, check)


async def _carry_out(
    workshop: Workshop, claim: Callable[[], Run], check: Callable[[Tools], None]
) -> tuple[Run, Outcome]:
    async with workshop:
        place = await workshop.workplace()
        check(place.tools)
        await _clear_left(workshop, place)
        run = claim()
        try:
            return run, await carry_out_unless_canceled(run, place)
        except asyncio.CancelledError:  # Ctrl-C, or another signal
            with immediate(workshop.connection):
                Runs(workshop.connection).finish(run, Status.CANCELED, now(), error="interrupted")
            close_logs(workshop.connection, [run], workshop.state.logs, now())
            raise


async def _clear_left(workshop: Workshop, place: Workplace) -> None:
    """What commands that were killed have left: containers outlive them."""
    if not abandoned(place.scratch, workshop.connection):
        return
    try:
        await workshop.clear_left(place.tools.engine)
    except TrackerError as error:
        place.listen(f"warning: what a killed command left is not cleared up: {error.message}\n".encode())
    else:
        sweep(place.scratch, workshop.connection, now())


def _claimed(workshop: Workshop, definition: Definition, task_name: str | None) -> Run:
    connection, runs = workshop.connection, Runs(workshop.connection)
    with immediate(connection):
        orphans = recover(connection, now())  # a killed process holds up no task, even where no service runs
        tasks = Tasks(connection)
        before = tasks.named(task_name).definition if task_name and tasks.exists(task_name) else None
        task = tasks.save(task_name, definition, now()) if task_name else None
        if task:
            kept = TaskSecrets(connection, workshop.cipher)
            kept.replace(task.task_id, SecretUse.BUILD, workshop.typed, now())
            for use, sources in _opening(workshop, definition, before).items():
                kept.replace(task.task_id, use, sources, now())
        cause = Cause.MANUAL if task else Cause.QUICK
        asked = runs.add(definition, cause, now(), task_id=task.task_id if task else None)
        run = runs.claim(now(), this_process(), run_id=asked.run_id)
    close_logs(connection, orphans, workshop.state.logs, now())
    if run is None:
        raise TrackerError(
            f"task {task_name} is being built at this moment; run {asked.run_id} is queued behind it",
            hint=f"'tracker logs {asked.run_id} --follow' shows it when the service gets to it",
        )
    return run


def _opening(
    workshop: Workshop, definition: Definition, before: Definition | None
) -> Mapping[SecretUse, Mapping[str, Source]]:
    """What becomes of the secrets that open the context of a task."""
    found = kept_with_task(definition.context, workshop.typed_context)
    if before is None or of_the_same_server(before.context, definition.context):
        return found
    return {**{use: {} for use in OF_SERVER}, **found}
