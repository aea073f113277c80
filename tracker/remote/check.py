"""`tracker check` by a service: it asks the registries, and tells line by line. Prints nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from graph.errors import TrackerError
from tracker.remote.client import BROKEN, Client, Unreachable

SILENCE_S = 50.0  # three heartbeats
LINE_BYTES_MOST = 1024 * 1024


def check_there(client: Client, references: Sequence[str]) -> list[dict[str, str | None]]:
    """One row a reference. Raises `Unreachable` where the answer breaks off, and what `Client.open` does."""
    body = json.dumps({"references": list(references)}).encode()
    rows: list[dict[str, str | None]] = []
    try:
        with client.open("POST", "/checks", body, timeout_s=SILENCE_S) as answer:
            while line := answer.readline(LINE_BYTES_MOST):
                told: dict[str, Any] = json.loads(line) if line.strip() else {}
                if "asked" in told:
                    return rows
                if "reference" in told:
                    rows.append(told)
                elif "error" in told:
                    raise TrackerError(str(told["error"]), hint=told.get("hint"))
    except BROKEN as error:
        raise client.unreachable(error) from error
    except ValueError as error:
        raise Unreachable(f"{client.address} answered what is no JSON") from error
    raise Unreachable(
        f"{client.address} broke off after {len(rows)} answers", hint="ask again: what was answered is kept"
    )
