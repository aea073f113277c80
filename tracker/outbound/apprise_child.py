"""Sends one message by apprise, in a process of its own, so that what hangs or has no end, ends with it.

Reads JSON from standard input and writes JSON to standard output: the address is on no command line.
Imports nothing of tracker.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

MEMORY_MOST = 1 << 30


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MOST, MEMORY_MOST))
    asked = json.load(sys.stdin)
    import apprise

    asset = apprise.AppriseAsset(
        app_id="tracker",
        app_desc="tracker",
        http_redirects=False,
        storage_mode="memory",
        service_timeout=asked["timeout_s"],
    )
    service = apprise.Apprise.instantiate(asked["address"], asset=asset)
    if service is None:
        json.dump({"known": False}, sys.stdout)
        return
    notifier = apprise.Apprise(asset=asset)
    notifier.add(service)
    capture: Any = apprise.LogCapture  # its types are its only gap
    with capture(level=apprise.logging.WARNING, fmt="%(message)s") as said:
        is_sent = bool(
            notifier.notify(
                title=asked["subject"], body=asked["body"], notify_type=asked["mood"], body_format="text"
            )
        )
    json.dump({"known": True, "is_sent": is_sent, "said": said.getvalue()[:4096]}, sys.stdout)


if __name__ == "__main__":
    main()
