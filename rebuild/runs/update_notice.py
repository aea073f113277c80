"""What the endpoint of a base-image trigger is told when a base makes its task run. Sends nothing.

It is put into the outbox without the token, which lies encrypted with the task and is added when it is sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from graph.clock import to_text
from graph.reference import ImageRef
from rebuild.runs.outbox import Outbox, update_lane
from rebuild.runs.record import Cause, Run

_BY_A_BASE = (Cause.BASE_IMAGE, Cause.UPSTREAM)


def tell_endpoints(
    connection: sqlite3.Connection,
    runs: Iterable[tuple[Run, Iterable[Mapping[str, Any]]]],
    at: datetime,
) -> None:
    """For each run with the reason that it keeps. Belongs inside `immediate()`, with the runs."""
    endpoints = _endpoints(connection)
    for run, reason in runs if endpoints else ():
        if run.cause in _BY_A_BASE and run.task_id in endpoints:
            task, endpoint = endpoints[run.task_id]
            lane = update_lane(urlsplit(endpoint).netloc)
            Outbox(connection).put(lane, notice_of(run, task, reason, at), at, task_id=run.task_id)


def notice_of(run: Run, task: str, reason: Iterable[Mapping[str, Any]], at: datetime) -> dict[str, Any]:
    """The metadata of the update: the bases that moved, each as it is now, once for all platforms."""
    moved = {(told["base"], told["to"]): told for told in reason if "base" in told}
    return {
        "timestamp": to_text(at),
        "task": task,
        "runId": run.run_id,
        "images": [_image(base, digest) for base, digest in moved],
    }


def _image(base: str, digest: str | None) -> dict[str, str | None]:
    reference = ImageRef.parse(base)
    return {
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag,
        "digest": digest,
    }


def _endpoints(connection: sqlite3.Connection) -> dict[int | None, tuple[str, str]]:
    """Name and endpoint of the few tasks that have one."""
    rows = connection.execute(
        "SELECT b.task_id, t.name, b.endpoint FROM base_image_triggers b JOIN tasks t ON t.id = b.task_id"
        " WHERE b.endpoint IS NOT NULL"
    )
    return {task_id: (name, endpoint) for task_id, name, endpoint in rows}
