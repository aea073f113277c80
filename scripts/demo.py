"""Shows the whole loop on real parts: a registry, an engine, a base that moves, the images that follow.

Everything lives in one temporary folder: the registry, the engine's storage, the state. Nothing is left
running and nothing of the machine's own containers and images is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

TRACKER = Path(sys.executable).with_name("tracker")
DEADLINE_S = 90.0
BOLD, CYAN = 1, 36  # of a terminal
MARKER = "/etc/base-release"

# name → Dockerfile, bases first; {R} is the registry. base ← lib, tools; lib ← api, web; api and web ← shop
IMAGES = {
    "lib": f"FROM {{R}}/base:1\nRUN cp {MARKER} /lib-stands-on\n",
    "tools": "FROM {R}/base:1\nRUN echo tools > /tools\n",
    "api": "FROM {R}/lib:1\nRUN echo api > /api\n",
    "web": "FROM {R}/lib:1\nRUN echo web > /web\n",
    "shop": "FROM {R}/api:1\nCOPY --from={R}/web:1 /web /web\nRUN echo shop > /shop\n",
}


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything is."""

    folder: Path
    registry: str
    listen: str
    environment: dict[str, str]

    def tracker(self, *arguments: str) -> str:
        """Run a command quietly; answers its standard output."""
        done = subprocess.run(
            [TRACKER, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.exit(f"tracker {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def show(self, *arguments: str) -> None:
        """Run a command as a reader would and show both."""
        print(f"\n{bold(f'$ tracker {shlex.join(arguments)}')}", flush=True)
        print(self.tracker(*arguments).rstrip(), flush=True)

    def ask(self, *arguments: str) -> Any:
        return json.loads(self.tracker(*arguments, "--json"))


def main() -> None:
    started_s = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: sys.exit(130))
    with temporary_folder() as folder:
        demo = prepare(folder)
        serve = ["docker-registry", "serve", str(folder / "registry.json")]
        with process("registry", serve, demo) as registry:
            until(lambda: answers(f"http://{demo.registry}/v2/", registry), "the registry answers")
            say(f"A registry runs at {demo.registry}; a base is made out of busybox and pushed there.")
            push_base(demo, "one")
            build_images(demo)
            demo.show("deps", "shop:1")
            with process("service", [str(TRACKER), "serve"], demo) as service:
                until(lambda: answers(f"http://{demo.listen}/readyz", service), "the service is ready")
                wave(demo)
            demo.show("deps", "shop:1")
    say(f"Nothing is left running. That took {time.monotonic() - started_s:.0f} s.")


def prepare(folder: Path) -> Demo:
    """Write the settings of the registry and of tracker."""
    registry, listen = f"localhost:{free_port()}", f"127.0.0.1:{free_port()}"
    (folder / "registry.json").write_text(json.dumps(registry_settings(folder, registry, listen)))
    (folder / "tracker.toml").write_text(
        f'state = "{folder}/state"\nregistry = "{registry}"\n'
        f'engine = "podman"\nengine_storage = "{folder}/storage"\n'
        f'[serve]\nlisten = "{listen}"\n[watch]\nsettle = "4s"\n'
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER")}
    return Demo(folder, registry, listen, kept | {"TRACKER_CONFIG": str(folder / "tracker.toml")})


def registry_settings(folder: Path, registry: str, listen: str) -> dict[str, Any]:
    """The registry tells the service of every push."""
    endpoint = {"name": "tracker", "url": f"http://{listen}/events/distribution", "timeout": "1s"}
    return {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": registry.replace("localhost", "127.0.0.1")},
        "notifications": {"endpoints": [endpoint | {"threshold": 3, "backoff": "1s"}]},
    }


def push_base(demo: Demo, edition: str) -> None:
    """Make a base image and push it with podman alone, as somebody else would."""
    context = demo.folder / "base"
    context.mkdir(exist_ok=True)
    shutil.copy(busybox(), context / "busybox")
    (context / "base-release").write_text(f"edition {edition}\n")
    (context / "Dockerfile").write_text(
        "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nCOPY busybox /bin/cp\n"
        f"COPY base-release {MARKER}\n"
    )
    name = f"{demo.registry}/base:1"
    for arguments in (["build", "-q", "-t", name, str(context)], ["push", "-q", "--tls-verify=false", name]):
        storage = ["--root", f"{demo.folder}/storage", "--runroot", f"{demo.folder}/storage-run"]
        done = subprocess.run(["podman", *storage, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"podman {arguments[0]} failed:\n{done.stderr}")


def build_images(demo: Demo) -> None:
    """Build each image once by hand and let tracker keep how."""
    for name, dockerfile in IMAGES.items():
        context = demo.folder / name
        context.mkdir()
        (context / "Dockerfile").write_text(dockerfile.replace("{R}", demo.registry))
        print(bold(f"$ tracker build {name} -t {name}:1 --task {name}"), flush=True)
        print(demo.tracker("build", str(context), "-t", f"{name}:1", "--task", name).rstrip(), flush=True)


def wave(demo: Demo) -> None:
    """Move the base and show what follows."""
    say("The service watches. Now somebody pushes a new base; the registry sends an event.")
    push_base(demo, "two")
    until(lambda: demo.ask("stale"), "the base is seen to have moved")
    demo.show("stale")
    demo.show("plan")
    until(lambda: len(rebuilds(demo)) == len(IMAGES), "every image has been rebuilt once")
    until(lambda: not demo.ask("stale"), "nothing is stale")
    demo.show("runs", "--top", str(len(IMAGES)))
    order = sorted(rebuilds(demo), key=lambda run: (run["started_at"], run["run_id"]))
    took_s = (moment(order[-1]["finished_at"]) - moment(order[0]["started_at"])).total_seconds()
    say(f"Rebuilt in the order {', '.join(run['task'] for run in order)}: each once, in {took_s:.1f} s.")


def rebuilds(demo: Demo) -> list[dict[str, Any]]:
    """The finished runs that the move of the base has caused."""
    caused = [run for run in demo.ask("runs") if run["cause"] in ("base-image", "upstream")]
    failed = [run for run in caused if run["status"] not in ("Queued", "Started", "Running", "Succeeded")]
    if failed:
        sys.exit(f"a rebuild failed:\n{demo.tracker('logs', failed[0]['run_id'])}")
    return [run for run in caused if run["status"] == "Succeeded"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextlib.contextmanager
def process(name: str, arguments: list[str], demo: Demo) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the background and end it afterwards."""
    with (demo.folder / f"{name}.log").open("wb") as log:
        running = subprocess.Popen(arguments, env=demo.environment, stdout=log, stderr=log)
        try:
            yield running
        except SystemExit:
            sys.stderr.write((demo.folder / f"{name}.log").read_text(errors="replace")[-4000:])
            raise
        finally:
            running.terminate()
            running.wait(timeout=30)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tracker-demo-"))
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Delete the folder; the engine leaves its storage mounted, and owned by others when not root."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", mount], check=False)
    if os.geteuid() != 0:
        subprocess.run(["podman", "unshare", "rm", "-rf", f"{folder}/storage"], check=False)
    shutil.rmtree(folder)


def busybox() -> str:
    found = shutil.which("busybox", path="/bin:/usr/bin")
    return found or sys.exit("error: busybox is missing\nhint: make demo installs busybox-static")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str, running: subprocess.Popen[bytes]) -> bool:
    """Whether somebody answers there; a program that has ended never will."""
    if running.poll() is not None:
        sys.exit(f"error: {running.args} ended with status {running.returncode}")
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; a demo that hangs says what it waited for."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline_s:
            sys.exit(f"error: gave up waiting until {what}")
        time.sleep(0.2)


def say(text: str) -> None:
    print(f"\n{coloured(f'# {text}', CYAN)}", flush=True)


def bold(text: str) -> str:
    return coloured(text, BOLD)


def coloured(text: str, code: int) -> str:
    """As a terminal shows it; plain for a file, a pipe, and whoever wants no colours."""
    is_plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
    return text if is_plain else f"\033[{code}m{text}\033[0m"


if __name__ == "__main__":
    main()
