"""Whether programs of another platform start on this machine, by the kernel's binfmt_misc. Runs nothing.

The kernel starts a foreign program through an interpreter that is registered for it, qemu's user
emulation. Inside a container that works only with flag F (the interpreter is opened when it is
registered, so the container need not have it).
"""

from __future__ import annotations

import platform
from pathlib import Path

from graph.reference import Platform

BINFMT = Path("/proc/sys/fs/binfmt_misc")

_QEMU = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "arm": "arm", "mips64le": "mips64el",
         "mipsle": "mipsel", "loong64": "loongarch64"}  # fmt: skip
_NATIVE_TOO = {("amd64", "386"), ("arm64", "arm")}
_SET_UP = "apt-get install qemu-user-static binfmt-support"


def this_machine() -> Platform:
    return Platform.of("linux", platform.machine())


def is_native(wanted: Platform, *, host: Platform) -> bool:
    """Whether the processor and the kernel of `host` run programs of `wanted` by themselves."""
    pair = (host.architecture, wanted.architecture)
    return wanted.os == host.os and (pair[0] == pair[1] or pair in _NATIVE_TOO)


def why_not(wanted: Platform, *, host: Platform, binfmt: Path = BINFMT) -> str | None:
    """Why programs of `wanted` do not start on `host`, with what to do about it; None where they do."""
    if wanted.os != "linux":
        return f"programs of {wanted} need another kernel than Linux: build them on such a machine"
    if is_native(wanted, host=host):
        return None
    lack = _lack(_QEMU.get(wanted.architecture, wanted.architecture), binfmt)
    return lack and f"programs of {wanted} do not start on this {host} machine: {lack}"


def _lack(qemu: str, binfmt: Path) -> str | None:
    if not (binfmt / "register").exists():
        return (
            f"binfmt_misc is not mounted; as root: mount binfmt_misc -t binfmt_misc {binfmt}"
            f" && update-binfmts --enable (where qemu is missing, on Debian: {_SET_UP})"
        )
    if _first_line(binfmt / "status") == "disabled":
        return f"binfmt_misc is switched off; as root: echo 1 > {binfmt / 'status'}"
    handler = _handler(qemu, binfmt)
    if handler is None:
        return f"no qemu-{qemu} is registered in {binfmt}; as root, on Debian: {_SET_UP}"
    if _first_line(handler) != "enabled":
        return f"{handler} is disabled; as root: echo 1 > {handler}"
    if "F" not in _flags(handler):
        return f"{handler} has no flag F, so containers cannot use it; as root, on Debian: {_SET_UP}"
    return None


def _handler(qemu: str, binfmt: Path) -> Path | None:
    """The entry for it: Debian calls it qemu-aarch64; others are known by their interpreter."""
    named = binfmt / f"qemu-{qemu}"
    if named.exists():
        return named
    for entry in sorted(binfmt.iterdir()):
        interpreter = Path(_field(entry, "interpreter")).name
        if interpreter in (f"qemu-{qemu}", f"qemu-{qemu}-static", f"{qemu}-binfmt-P"):
            return entry
    return None


def _flags(handler: Path) -> str:
    return _field(handler, "flags:")


def _field(entry: Path, name: str) -> str:
    try:
        lines = entry.read_text().splitlines()
    except OSError:  # `register` is for writing only
        return ""
    return next((line.removeprefix(name).strip() for line in lines if line.startswith(name)), "")


def _first_line(path: Path) -> str:
    return path.read_text().partition("\n")[0]
