"""What the documents name exists: commands, paths, settings, metrics, variables, symbols, make targets."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tracker.cli.main import tracker as command_group
from tracker.settings.reading import load, setting_names

ROOT = Path(__file__).parent.parent
FOLDERS = ("bench", "config", "docs", "graph", "rebuild", "scripts", "systemd", "tests", "tracker")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CONFIGS = sorted(path for path in ROOT.glob("config/**/*") if path.is_file())
SETTINGS = sorted(ROOT.glob("config/*.toml"))
SHELLS = {"sh", "bash", "console"}

FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
PLACE = re.compile(rf"(?<![\w/.@:-])((?:{'|'.join(FOLDERS)})/[\w./*-]*)")
FILE = re.compile(r"[\w-]+\.(?:md|toml|service|py)")
FILE_NAME = re.compile(r".*\.(?:conf|db|json|md|py|service|toml)")  # a dot and yet no symbol or setting
SYMBOL = re.compile(r"`(\w+)(?:\(\))?` in `([\w/]+\.py)`")
METRIC = re.compile(r"\btracker_[a-z_]+\b")
VARIABLE = re.compile(r"\bTRACKER_[A-Z_]+\b")
DOTTED = re.compile(r"[a-z_]+(?:\.[A-Za-z_]+)+")


@dataclass(frozen=True, slots=True)
class Page:
    """One document, taken apart."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text()

    def blocks(self, *languages: str) -> list[str]:
        return [block["text"] for block in FENCE.finditer(self.text) if block["language"] in languages]

    @property
    def spans(self) -> list[str]:
        return SPAN.findall(FENCE.sub("", self.text))

    @property
    def command_lines(self) -> Iterator[list[str]]:
        """Every line that begins with a program's name, as words, up to the first pipe or comment."""
        lines = [line for block in self.blocks(*SHELLS) for line in block.replace("\\\n", " ").splitlines()]
        for line in [*lines, *self.spans]:
            try:
                yield shlex.split(re.split(r" [|>&]|;", line.strip().removeprefix("$ "))[0], comments=True)
            except ValueError:  # prose with an apostrophe in it
                continue

    def commands(self, program: str) -> Iterator[list[str]]:
        for words in self.command_lines:
            if words and Path(words[0]).name == program and len(words) > 1:
                yield words[1:]


def pages() -> list[Page]:
    return [Page(path) for path in PAGES]


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def faults_of(words: list[str]) -> Iterator[str]:
    """What of one `tracker …` line no command takes."""
    command: click.Command = command_group
    context = click.Context(command)
    rest = iter([word for word in (word.strip("[]…,.") for word in words) if word])
    for word in rest:
        if word.startswith("-"):
            option = _option(command, context, word.partition("=")[0])
            if option is None:
                yield f"{command.name} has no option {word}"
            elif not option.is_flag and not option.count and "=" not in word:
                next(rest, None)
        elif isinstance(command, click.Group) and not word.isupper():
            inner = command.get_command(context, word)
            if inner is None:
                yield f"{command.name} has no command {word}"
                return
            command, context = inner, click.Context(inner, parent=context)


def _option(command: click.Command, context: click.Context, name: str) -> click.Option | None:
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    return next((option for option in options if name in {*option.opts, *option.secondary_opts}), None)


def is_setting(name: str) -> bool:
    patterns = [re.escape(known).replace(r"\*", "[^.]+") for known, _ in setting_names()]
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def is_symbol(name: str) -> bool:
    """Whether a dotted name leads to something: a module, or what is in one."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ImportError:
        return bool(module) and _has(module, attribute)
    return True


def _has(module: str, attribute: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ImportError:
        return False


def defined_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return assigned | {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def metric_stem(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count|created|info)$", "", name)


def known_metrics() -> set[str]:
    tree = ast.parse((ROOT / "tracker/metrics.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {metric_stem(text) for text in texts if isinstance(text, str) and METRIC.fullmatch(text)}


@pytest.mark.parametrize("page", pages(), ids=lambda page: names(page.path))
class TestAPage:
    def test_names_commands_and_options_that_exist(self, page: Page) -> None:
        assert [fault for words in page.commands("tracker") for fault in faults_of(words)] == []

    def test_names_make_targets_that_exist(self, page: Page) -> None:
        targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        named = {words[0] for words in page.commands("make") if words[0].isalpha()}

        assert named - targets == set()

    def test_names_places_in_the_checkout_that_exist(self, page: Page) -> None:
        places = {place.rstrip("./") for place in PLACE.findall(page.text)}

        assert {place for place in places if not list(ROOT.glob(place))} == set()

    def test_names_files_that_exist(self, page: Page) -> None:
        files = {span for span in page.spans if FILE.fullmatch(span)}
        here = {path.name for path in ROOT.iterdir()}
        there = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")}

        assert files - here - there == set()

    def test_links_to_files_that_exist(self, page: Page) -> None:
        links = LINK.findall(FENCE.sub("", page.text))

        assert [link for link in links if not (page.path.parent / link).exists()] == []

    def test_names_settings_and_symbols_that_exist(self, page: Page) -> None:
        roots = {name.partition(".")[0] for name, _ in setting_names()} | {"graph", "rebuild", "tracker"}
        spans = {span.removesuffix("()") for span in page.spans if not FILE_NAME.fullmatch(span)}
        dotted = {span for span in spans if DOTTED.fullmatch(span) and span.partition(".")[0] in roots}

        assert {name for name in dotted if not is_setting(name) and not is_symbol(name)} - {
            "graph.db"
        } == set()

    def test_says_in_which_file_a_symbol_is_and_is_right(self, page: Page) -> None:
        said = SYMBOL.findall(page.text)

        assert [(name, place) for name, place in said if name not in defined_in(ROOT / place)] == []

    def test_shows_settings_that_the_program_takes(self, page: Page, tmp_path: Path) -> None:
        for block in page.blocks("toml"):
            (tmp_path / "tracker.toml").write_text(block)

            load(tmp_path / "tracker.toml", {})  # raises ConfigError with every fault

    def test_names_variables_that_the_program_reads(self, page: Page) -> None:
        places = [path for folder in ("rebuild", "tracker") for path in (ROOT / folder).rglob("*.py")]
        source = "".join(path.read_text() for path in places)
        plain = {name for name in VARIABLE.findall(page.text) if not name.startswith("TRACKER__")}
        settings = {name for name in VARIABLE.findall(page.text) if name.startswith("TRACKER__")}

        assert {name for name in plain if name not in source} == set()
        dotted = [name.removeprefix("TRACKER__").lower().replace("__", ".") for name in settings]
        assert [name for name in dotted if not is_setting(name)] == []

    def test_names_metrics_that_the_service_has(self, page: Page) -> None:
        named = {metric_stem(name) for span in page.spans for name in METRIC.findall(span)}

        assert named - known_metrics() == set()


@pytest.mark.parametrize("path", CONFIGS, ids=names)
def test_a_file_in_config_uses_metrics_that_the_service_has(path: Path) -> None:
    named = {metric_stem(name) for name in METRIC.findall(path.read_text())}

    assert named - known_metrics() == set()


@pytest.mark.parametrize("path", SETTINGS, ids=names)
def test_a_settings_file_in_config_loads(path: Path) -> None:
    load(path, {})


@pytest.mark.parametrize("path", SETTINGS, ids=names)
def test_a_settings_file_in_config_loads_with_its_comments_switched_on(path: Path, tmp_path: Path) -> None:
    """`#key = value` is an example to uncomment; `# Words` is prose."""
    (tmp_path / path.name).write_text(re.sub(r"^#(?=[\w\[\"])", "", path.read_text(), flags=re.MULTILINE))

    load(tmp_path / path.name, {})


def test_every_setting_is_explained() -> None:
    text = (ROOT / "config/tracker.toml").read_text()
    keys = {name.removesuffix(".*").rpartition(".")[2] for name, _ in setting_names()}

    assert {key for key in keys if not re.search(rf"^#? ?\[?{key}\b", text, re.MULTILINE)} == set()


def test_every_command_is_in_the_readme_or_in_docs() -> None:
    text = "".join(page.text for page in pages())
    commands = command_group.list_commands(click.Context(command_group))

    assert commands
    assert [name for name in commands if not re.search(rf"tracker (?:--\S+ \S+ )*{name}\b", text)] == []


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert list(faults_of(["--config", "x", "config", "chekc"])) == ["config has no command chekc"]
    assert list(faults_of(["config", "check", "--jsno"])) == ["check has no option --jsno"]
