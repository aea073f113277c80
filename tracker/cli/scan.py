"""`tracker scan`: the bases that a Dockerfile names, without building it or asking a registry."""

from __future__ import annotations

import os
import platform as machine
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from graph.dockerfile import Base, Scan, scan
from graph.errors import WrongUse
from graph.reference import Platform
from tracker.cli.habits import json_option
from tracker.cli.table import Row, print_json, print_rows
from tracker.wording import counted, familiar, printable

NAMES = ("Dockerfile", "Containerfile")  # looked for in a folder, in this order
BYTES_READ_MOST = 2 << 20  # more than any file that the scan accepts
STDIN = "-"


@click.command("scan")
@click.argument("source", metavar="FILE|CONTEXT")
@click.option("-f", "--file", "file", metavar="FILE", help="The Dockerfile of CONTEXT.")
@click.option(
    "--build-arg", "build_args", multiple=True, metavar="K[=V]", help="Without =V: as in the environment."
)
@click.option("--target", metavar="STAGE", help="The stage to build. Default: the last.")
@click.option("--platform", metavar="OS/ARCH", help="Default: that of this machine.")
@json_option("Print what was found as JSON.")
def command(
    source: str,
    file: str | None,
    build_args: tuple[str, ...],
    target: str | None,
    platform: str | None,
    as_json: bool,
) -> None:
    """List the images that a build of FILE, or of the Dockerfile in the folder CONTEXT, takes from.

    FILE may be '-', for standard input. USED is no for what the target stage does not reach, and for
    what an ONBUILD names for the builds that come after this one.
    """
    path = _dockerfile(source, file)
    here = Platform.of("linux", machine.machine())
    found = scan(
        _read(path),
        path=path,
        platform=Platform.parse(platform) if platform else here,
        build_platform=here,
        build_args=build_arguments(build_args, os.environ),
        target=target,
    )
    if as_json:
        print_json(_as_json(found, path))
    else:
        _print_table(found)


def build_arguments(typed: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """`K=V` as typed; `K` alone takes the environment's value, and is not given where that has none."""
    given: dict[str, str] = {}
    for text in typed:
        name, equals, value = text.partition("=")
        if not name:
            raise WrongUse(f"--build-arg {text!r} has no name", hint="write --build-arg NAME=VALUE")
        if equals:
            given[name] = value
        elif name in environment:
            given[name] = environment[name]
    return given


def _dockerfile(source: str, file: str | None) -> str:
    """The path of the file to read, as the user would write it."""
    if not source:
        raise WrongUse("the name of the file or folder is empty", hint="'.' is the folder that you are in")
    if not Path(source).is_dir():
        _refuse_elsewhere(source)
        if file is not None:
            raise WrongUse(
                f"-f needs a folder before it, and {source!r} is none", hint=f"tracker scan {file}"
            )
        return source
    if file is not None:
        return file
    for name in NAMES:
        if (Path(source) / name).is_file():
            return str(Path(source) / name)
    raise WrongUse(f"folder {source!r} holds no {' or '.join(NAMES)}", hint="name the file with -f FILE")


def _refuse_elsewhere(source: str) -> None:
    """What a build would fetch first is not on this machine."""
    if not re.match(r"[\w+.-]+(://|@[\w.-]+:)", source) or Path(source).exists():
        return
    from rebuild.context.fault import masked  # only for who is refused anyway

    hint = "fetch it first, with 'git clone' for example, and name the folder"
    raise WrongUse(f"{masked(source)!r} is not on this machine, where scan reads", hint=hint)


def _read(path: str) -> bytes:
    if path == STDIN:
        return _bounded(sys.stdin.buffer)
    try:
        with Path(path).open("rb") as file:
            return _bounded(file)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WrongUse(f"{path!r} cannot be read: {reason}", hint="name a Dockerfile, or a folder") from None


def _bounded(file: BinaryIO) -> bytes:
    return file.read(BYTES_READ_MOST)


def _as_json(found: Scan, path: str) -> dict[str, Any]:
    return {
        "dockerfile": path,
        "target": found.target,
        "platform": str(found.platform),
        "stages": [
            {
                "name": stage.name,
                "index": stage.index,
                "base": stage.base,
                "reachable": stage.reachable,
                "line": stage.line,
            }
            for stage in found.stages
        ],
        "bases": [
            {
                "reference": str(base.reference),
                "as_written": base.as_written,
                "role": base.role,
                "via": base.via,
                "stage": base.stage,
                "line": base.line,
                "reachable": base.reachable,
            }
            for base in found.bases
        ],
    }


def _print_table(found: Scan) -> None:
    if found.bases:
        print_rows(
            Row("BASE", ("ROLE", "VIA", "STAGE", "LINE", "USED")), [_row(base) for base in found.bases]
        )
        click.echo()
    used = [stage for stage in found.stages if stage.reachable]
    stages = counted(len(found.stages), "stage")
    unused = "" if len(used) == len(found.stages) else f", {len(used)} of them used"
    places = counted(len(found.bases), "base")
    click.echo(f"{places} in {stages}{unused}, for {found.platform}")


def _row(base: Base) -> Row:
    used = "yes" if base.reachable else "no"
    stage = printable(base.stage or "-")
    return Row(familiar(str(base.reference)), (base.role, base.via, stage, f"{base.line:>4}", used))
