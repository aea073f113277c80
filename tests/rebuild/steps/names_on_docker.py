"""A program for a network namespace of its own: steps that find each other on a network of docker's.

The daemon writes firewall rules for the names on its networks, which must not be the machine's.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.real_registry import RealRegistry
from tests.rebuild.steps.machine import BOX, docker_machine

TEXT = f"""
steps:
- {{id: web, cmd: "{BOX} sh -c 'echo hello > /index.html && httpd -f -p 80 -h /'", detach: true}}
- {{id: client, cmd: "{BOX} wget -q -O - http://web", retries: 5, retryDelay: 1}}
"""


def main() -> None:
    folder = Path(sys.argv[1])
    registry = RealRegistry(folder, 0, {})  # not started
    with docker_machine(folder, registry, firewall=True) as machine:
        done = asyncio.run(machine.run(TEXT))
        print(done.printed("client")[-1:], done.log("client"))
        assert done.printed("client")[-1:] == ["hello"]
        assert machine.left() == []


if __name__ == "__main__":
    main()
