"""The units as systemd itself judges them: no misspelt key, closed enough, every path explained."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNITS = ("tracker.service", "tracker-userns.service")
EXPOSURE_MOST = 3.0


def systemd_analyze(*arguments: str) -> str:
    """What it prints; its exit status says nothing: it is 0 for a misspelt key."""
    command = ["systemd-analyze", *arguments]
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout


def exposure() -> str:
    """The score that systemd gives the service, 0 for closed and 10 for open."""
    unit = str(ROOT / "systemd/tracker.service")
    verdict = systemd_analyze("security", "--offline=true", "--no-pager", unit)
    overall = re.search(r"Overall exposure level for tracker\.service: ([0-9.]+)", verdict)
    assert overall, verdict
    return overall[1]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say_about_the_units(unit: str) -> None:
    assert systemd_analyze("verify", str(ROOT / "systemd" / unit)) == ""


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    unit = (ROOT / "systemd/tracker.service").read_text()
    misspelt = tmp_path / "tracker.service"
    misspelt.write_text(unit.replace("ProtectSystem=", "ProtectSytsem="))

    assert "ProtectSytsem" in systemd_analyze("verify", str(misspelt))


def test_the_service_is_closed_enough() -> None:
    assert float(exposure()) <= EXPOSURE_MOST


def test_the_install_page_names_the_score_that_systemd_gives() -> None:
    assert f"gives {exposure()} " in (ROOT / "docs/install.md").read_text()


def paths_of(unit: str) -> set[str]:
    """Absolute paths in the directives and folders that systemd makes for the unit."""
    directives = [line for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    found = {path for line in directives for path in re.findall(r"(?<=[=\s:-])/[\w./-]+", line)}
    for kind, parent in (("State", "/var/lib"), ("Cache", "/var/cache"), ("Runtime", "/run")):
        found |= {f"{parent}/{name}" for name in re.findall(rf"^{kind}Directory=(\S+)", unit, re.MULTILINE)}
    return {path for path in found if not path.startswith("/dev/")}


@pytest.mark.parametrize("unit", UNITS)
def test_every_path_of_a_unit_is_explained_on_the_install_page(unit: str) -> None:
    page = (ROOT / "docs/install.md").read_text()
    paths = paths_of((ROOT / "systemd" / unit).read_text())

    assert {"/var/lib/tracker", "/run/tracker-engine"} <= paths
    assert {path for path in paths if f"`{path}`" not in page and not _lies_below(path, page)} == set()


def _lies_below(path: str, page: str) -> bool:
    return any(f"`{parent}`" in page for parent in Path(path).parents if len(parent.parts) > 2)


def test_the_page_installs_the_packages_that_the_demo_needs() -> None:
    """One list of what podman needs, in two places: what the set-up installs, the page names."""
    setup = (ROOT / "scripts/setup").read_text()
    needs = setup.partition("demo_needs=(")[2].partition(")")[0]
    packages = set(re.findall(r":(\S+)$", needs, re.MULTILINE)) - {"docker-registry"}

    page = (ROOT / "docs/install.md").read_text()

    assert "podman" in packages
    assert {package for package in packages if not re.search(rf"[ \n]{package}[ \n]", page)} == set()
