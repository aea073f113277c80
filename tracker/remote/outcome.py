"""Prints how a run of a service ended, as if it had been carried out here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from rebuild.runs.record import Status
from rebuild.runs.run_summary import summary
from tracker.cli.main import report
from tracker.remote.service import Wait


def exit_status(run: Mapping[str, Any], wait: Wait) -> int:
    """0 where the run succeeded, or nobody waited for it."""
    return 0 if wait is Wait.NOT or run["status"] == Status.SUCCEEDED else 1


def print_build(run: Mapping[str, Any], wait: Wait, *, as_json: bool) -> None:
    """The same keys and lines as of a build in this process; where nobody waits for it, its id."""
    digests = {output["digest"] for output in run["outputs"]}
    if as_json:
        told = {
            "run_id": run["run_id"],
            "status": run["status"],
            "error": run["error"],
            "images": run["images"],
            "digest": next(iter(digests), None),
            "pushed": run["pushed"],
            "bases": run["bases"],
        }
        _report(run)
        click.echo(json.dumps(told, indent=2))
    else:
        print_outputs(run, wait)


def print_run(run: Mapping[str, Any], wait: Wait, *, as_json: bool) -> None:
    """Of a task file: what it pushed; where nobody waits for it, its id."""
    if as_json:
        _report(run)
        told = {key: run[key] for key in ("run_id", "status", "error", "outputs")}
        click.echo(json.dumps(told, indent=2))
    else:
        print_outputs(run, wait)


def print_outputs(run: Mapping[str, Any], wait: Wait) -> None:
    _report(run)
    if wait is Wait.NOT:
        click.echo(run["run_id"])
        return
    for output in run["outputs"]:
        click.echo(f"{output['reference']}@{output['digest']}")
    click.echo(summary(run["run_id"], Status(run["status"]), run["duration_s"]), err=True)


def _report(run: Mapping[str, Any]) -> None:
    if run["error"] is not None:
        report(run["error"], run.get("hint"))
