"""The units, booted by a real systemd in a container of its own: the service starts, builds and stops."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("graph", "rebuild", "tracker")
BOOT_LIMIT_S = 300  # of a machine that hangs; a boot takes about ten seconds

# Every write goes to memory: the container has this machine's own files and changes none of them.
MACHINE = """
cd "$1"
mkdir memory root
mount -t tmpfs memory memory
mkdir memory/written memory/work
mount -t overlay -o lowerdir=/,upperdir=memory/written,workdir=memory/work overlay root
mknod -m 666 memory/fuse c 10 229
mknod -m 666 memory/tun c 10 200
# keyctl: runc asks for a keyring. Writable /proc/sys: a machine has it, a container has not.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
exec systemd-nspawn --quiet --directory=root --machine=tracker-unit-test --register=no --keep-unit \
  --private-network --capability=all --system-call-filter="add_key keyctl bpf" --console=pipe \
  --bind="$1/memory/fuse:/dev/fuse" --bind="$1/memory/tun:/dev/net/tun" --bind-ro=/dev/null:/etc/fstab \
  --bind-ro="$1/tracker:/opt/tracker" --bind-ro="$2:/opt/libraries" --bind-ro="$1/scripts:/opt/scripts" \
  --bind-ro="$1/units:/usr/local/lib/systemd/system" --bind="$1/answers:/answers" \
  --boot -- --unit=operator.service
"""

# What an operator does by docs/install.md, and then asks.
OPERATOR = """#!/bin/bash
useradd --system --user-group --no-create-home --home-dir /var/lib/tracker --shell /usr/sbin/nologin tracker
usermod --add-subuids 300000-365535 --add-subgids 300000-365535 tracker
mkdir -p /etc/containers /etc/tracker
printf '[storage]\\ndriver = "vfs"\\n' > /etc/containers/storage.conf  # overlay does not lie on overlay
touch /etc/tracker/tracker.toml

cd /answers
systemctl start tracker.service
systemctl show -p ActiveState tracker.service > started
/opt/tracker/bin/python -c '
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8484/healthz", timeout=10).status)' > health 2>&1
systemctl start build.service
systemctl show -p Result build.service > built
cp /var/lib/tracker/limits limits
systemctl stop tracker.service
systemctl show -p ActiveState -p Result tracker.service > stopped
journalctl -o cat --no-pager > journal
systemctl poweroff --force --force
"""

BUILD = """#!/bin/bash
set -eux
grep NoNewPrivs /proc/self/status > "$STATE_DIRECTORY/limits"
cd "$(mktemp -d)"
cp /bin/busybox .
printf 'FROM scratch\\nCOPY busybox /bin/sh\\nRUN echo built > /said\\n' > Dockerfile
/opt/tracker/bin/tracker build . --no-push -t localhost:5000/sandboxed:1
"""

OPERATOR_UNIT = "[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/opt/scripts/operator\n"
COMMAND = "#!/opt/tracker/bin/python\nfrom tracker.cli.main import main\nmain()\n"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the operator wrote down, by file name; `journal` and `console` are for the reader of a failure."""
    folder = tmp_path_factory.mktemp("machine")
    _let_everybody_in(folder)
    _write_units(folder / "units")
    _write_scripts(folder / "scripts")
    _install(folder / "tracker")
    (folder / "answers").mkdir()
    _boot(folder)
    return {path.name: path.read_text() for path in [*(folder / "answers").iterdir(), folder / "console"]}


def _let_everybody_in(folder: Path) -> None:
    folder.chmod(0o755)  # the service is not root and has to read its program


def _write_units(folder: Path) -> None:
    """Ours as they are; one that does a build under the same limits; the operator."""
    folder.mkdir()
    for name in ("tracker.service", "tracker-userns.service"):
        shutil.copy(ROOT / "systemd" / name, folder)
    service = (folder / "tracker.service").read_text()
    (start,) = (line for line in service.splitlines() if line.startswith("ExecStart="))
    build = service.replace(start, "ExecStart=/opt/scripts/build").replace("Type=notify", "Type=oneshot")
    build = build.replace("Restart=on-failure", "Restart=no")
    # systemd removes a runtime folder with its unit: the service keeps its own.
    build = build.replace("RuntimeDirectory=tracker\n", "RuntimeDirectory=tracker-build\n")
    (folder / "build.service").write_text(build)
    (folder / "operator.service").write_text(OPERATOR_UNIT)


def _write_scripts(folder: Path) -> None:
    folder.mkdir()
    for name, text in (("operator", OPERATOR), ("build", BUILD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def _install(folder: Path) -> None:
    """What pip would have put into /opt/tracker; the libraries are those of this environment."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, site / name)
    (site / "libraries.pth").write_text("/opt/libraries\n")
    (folder / "bin/tracker").write_text(COMMAND)
    (folder / "bin/tracker").chmod(0o755)


def _boot(folder: Path) -> None:
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    machine = ["unshare", "--mount", "sh", "-ec", MACHINE, "sh", str(folder), sysconfig.get_path("purelib")]
    with (folder / "console").open("wb") as console:
        subprocess.run(
            [*as_root, *machine],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            timeout=BOOT_LIMIT_S,
            check=False,
        )


def test_the_service_tells_systemd_that_it_is_ready(answers: Mapping[str, str]) -> None:
    assert answers.get("started") == "ActiveState=active\n", answers


def test_the_service_answers_requests(answers: Mapping[str, str]) -> None:
    assert answers.get("health") == "200\n", answers


def test_an_image_is_built_within_the_limits_of_the_service(answers: Mapping[str, str]) -> None:
    assert answers.get("built") == "Result=success\n", answers
    assert answers["limits"] == "NoNewPrivs:\t1\n"


def test_the_service_stops_when_it_is_asked_to(answers: Mapping[str, str]) -> None:
    assert answers.get("stopped") == "Result=success\nActiveState=inactive\n", answers
