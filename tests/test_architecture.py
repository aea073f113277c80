"""The rules of the house that a program can check: who may import whom, and how large things may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker.cli.main import COMMANDS

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "graph": {"graph"},
    "rebuild": {"graph", "rebuild"},
    "tracker": {"graph", "rebuild", "tracker"},
}
OURS = {"graph", "rebuild", "tracker", "bench", "tests", "scripts"}
# The graph's only I/O is its own database file.
NOT_IN_GRAPH = {"aiohttp", "asyncio", "http", "httpx", "requests", "socket", "subprocess", "urllib"}
# What costs a command more time than its whole answer may take.
HEAVY = {"aiohttp", "apscheduler", "fastapi", "httpx", "prometheus_client", "pydantic", "uvicorn"}
QUICK_COMMANDS = ("deps", "images", "rdeps", "runs", "stale", "why")
VAGUE = {"common", "data", "helpers", "info", "manager", "misc", "util", "utils"}
FILE_LINES_MOST = 450
FUNCTION_LINES_MOST = 60


def sources() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of every package that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def prefixes(tree: ast.Module) -> set[str]:
    """The first two names of every module that is imported out of a package of ours."""
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {".".join(module.split(".")[:2]) for module in modules}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    forbidden = OURS - MAY_IMPORT[package]
    modules = sorted((ROOT / package).rglob("*.py"))

    assert modules
    assert names([path for path in modules if imported(parse(path)) & forbidden]) == []


@pytest.mark.parametrize(
    ("package", "other"), [("api", "cli"), ("cli", "api"), ("views", "cli"), ("views", "api")]
)
def test_commands_and_routes_meet_in_the_views(package: str, other: str) -> None:
    modules = sorted((ROOT / "tracker" / package).rglob("*.py"))

    assert modules
    assert names([path for path in modules if f"tracker.{other}" in prefixes(parse(path))]) == []


def test_the_graph_talks_to_nobody() -> None:
    modules = sorted((ROOT / "graph").rglob("*.py"))

    assert names([path for path in modules if imported(parse(path)) & NOT_IN_GRAPH]) == []


def test_every_module_says_what_it_knows() -> None:
    assert names([path for path in sources() if not ast.get_docstring(parse(path))]) == []


def test_modules_are_named_after_a_noun_of_the_domain() -> None:
    assert names([path for path in sources() if VAGUE & set(path.stem.split("_"))]) == []


def test_no_file_outgrows_its_noun() -> None:
    long = [path for path in sources() if len(path.read_text().splitlines()) > FILE_LINES_MOST]

    assert names(long) == []


def test_no_function_outgrows_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in sources()
        for function in functions(parse(path))
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MOST
    ]

    assert long == []


def test_classes_of_records_are_made_the_quick_way() -> None:
    slow = [
        path
        for path in sources()
        if re.search(r"^from dataclasses import .*\bdataclass\b", path.read_text(), re.M)
    ]

    assert names(slow) == []


def test_tests_are_no_package() -> None:
    """`tests/graph/__init__.py` would hide the real `graph`."""
    assert names(list((ROOT / "tests").rglob("__init__.py"))) == []


@pytest.mark.parametrize("command", QUICK_COMMANDS)
def test_a_reading_command_imports_nothing_heavy(command: str) -> None:
    module = COMMANDS[command][0].partition(":")[0]
    program = f"import sys, tracker.cli.main, {module}; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert module in loaded
    assert HEAVY & set(loaded) == set()


def test_the_help_of_the_command_imports_no_sub_command() -> None:
    program = "import sys; from tracker.cli.main import run; run(['--help']); print('modules', *sys.modules)"

    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    modules = {place.partition(":")[0] for place, _ in COMMANDS.values()}
    assert modules & set(said.rpartition("modules ")[2].split()) == set()
