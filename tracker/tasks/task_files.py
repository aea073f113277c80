"""Files of tasks as they lie on a disk, and the documents in them. Knows nothing of what a task is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from graph.errors import WrongUse
from graph.record import dataclass

STDIN = Path("-")
FILES_MOST = 1000
BYTES_MOST = 1 << 20

_NEW_DOCUMENT = re.compile(r"---(\s|$)")


@dataclass(frozen=True, slots=True)
class TaskFileText:
    """A file of tasks, read. Relative folders in it are looked for in `folder`, a whole path."""

    name: str  # for messages
    folder: Path
    text: str


def read_files(path: Path) -> list[TaskFileText]:
    """A file, standard input, or every YAML file of a folder. Raises `WrongUse`."""
    return [TaskFileText(str(file), file.parent.resolve(), _text(file)) for file in _files(path)]


def documents(text: str) -> Iterator[str]:
    """Each document with as many empty lines before it as keep the numbers of its lines."""
    begun, lines = 0, text.split("\n")
    for number, line in enumerate([*lines, "---"]):
        if _NEW_DOCUMENT.match(line):
            yield "\n" * begun + "\n".join(lines[begun:number])
            begun = number + 1


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
    if not files or len(files) > FILES_MOST:
        raise WrongUse(
            f"folder {path} has {len(files)} files of tasks, which is none or more than {FILES_MOST}",
            hint="name a folder with files that end in .yaml or .yml",
        )
    return files


def _text(file: Path) -> str:
    try:
        with sys.stdin.buffer if file == STDIN else file.open("rb") as opened:
            content = opened.read(BYTES_MOST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise WrongUse(f"{file} cannot be read: {error.strerror}", hint="name a file or a folder") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{file} is not UTF-8", hint="tasks are declared in YAML, in UTF-8") from None
    if len(content) > BYTES_MOST:
        raise WrongUse(f"{file} has more than {BYTES_MOST:,} bytes", hint="put the tasks in several files")
    return text
