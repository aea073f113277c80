"""The wheel as a stranger installs it: all of the code, the data beside it, a command that starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tracker

ROOT = Path(__file__).parent.parent
PACKAGES = ("graph", "rebuild", "tracker")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
GENERATED = (".*", "build", "dist", "*.egg-info", "__pycache__", "tests")


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel, and an environment made from it outside the checkout."""

    wheel: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            arguments, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )


def pip(*arguments: str) -> None:
    """Offline: what is needed to build and to run is in this environment already."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    source, environment = folder / "source", folder / "venv"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*GENERATED))  # setuptools writes build/ there
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    venv.create(environment, with_pip=False)
    pip("--python", str(environment), "install", "--no-deps", "--no-index", str(wheel))
    _lend_dependencies(environment)
    return Installed(wheel, environment)


def _lend_dependencies(environment: Path) -> None:
    """The new environment sees this one's packages after its own, and no editable install of ours."""
    (own,) = environment.glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (own / "lent.pth").write_text("".join(f"{path}\n" for path in ours))


def test_the_installed_command_starts(installed: Installed) -> None:
    said = installed.run("bin/tracker", "--version")

    assert (said.returncode, said.stdout.strip()) == (0, f"tracker, version {tracker.__version__}")


def test_the_installed_packages_are_those_of_the_wheel(installed: Installed) -> None:
    program = "import graph, rebuild, tracker; print(graph.__file__, rebuild.__file__, tracker.__file__)"

    said = installed.run("bin/python", "-c", program)

    places = [Path(place) for place in said.stdout.split()]
    assert [place.is_relative_to(installed.folder) for place in places] == [True, True, True], said


def test_the_wheel_holds_every_module(installed: Installed) -> None:
    """Packages are listed by hand in pyproject.toml: a new one is easily forgotten."""
    in_checkout = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")}

    with zipfile.ZipFile(installed.wheel) as wheel:
        assert in_checkout - set(wheel.namelist()) == set()


def test_the_wheel_holds_every_file_that_is_not_a_module(installed: Installed) -> None:
    """Templates, styles and the like lie beside the code that reads them."""
    in_checkout = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }

    with zipfile.ZipFile(installed.wheel) as wheel:
        assert in_checkout - set(wheel.namelist()) == set()


def test_what_an_operator_copies_lands_in_share(installed: Installed) -> None:
    in_checkout = {path.name for name in ("config", "systemd") for path in (ROOT / name).iterdir()}

    landed = {path.name for path in (installed.folder / "share/tracker").rglob("*") if path.is_file()}

    assert {"tracker.toml", "tracker.service", "install.md"} <= landed
    assert in_checkout - landed == set()


def test_every_dependency_has_a_lower_bound() -> None:
    assert [line for line in PROJECT["project"]["dependencies"] if not {">", "="} & set(line)] == []
