"""A program of 167 bytes for trying an engine out: it prints one line and ends. Needs no registry, no libc.

Written as machine code because no file can be counted on: an engine's machine may have neither a
static shell nor a compiler. The same program tells whether a foreign platform is emulated.
"""

from __future__ import annotations

import struct

SAYS = "the probe runs"

_LINE = f"{SAYS}\n".encode()
_LOAD_AT = 0x400000
_HEADERS = 64 + 56


def program(architecture: str) -> bytes | None:
    """A static Linux executable for `amd64` or `arm64`; None for what it is not written for."""
    match architecture:
        case "amd64":
            return _elf(62, _amd64())
        case "arm64":
            return _elf(183, _arm64())
        case _:
            return None


def _elf(machine: int, code: bytes) -> bytes:
    """One segment, read and execute, that holds the headers and the code."""
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, _LOAD_AT + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_AT, _LOAD_AT, size, size, 0x10000)
    return identity + header + segment + code


def _amd64() -> bytes:
    write = b"\xb8\x01\0\0\0" + b"\xbf\x01\0\0\0"  # mov eax, 1 (write); mov edi, 1 (stdout)
    where = b"\x48\x8d\x35\x10\0\0\0"  # lea rsi, [rip + 16]: the line, after the code
    length = b"\xba" + struct.pack("<I", len(_LINE)) + b"\x0f\x05"  # mov edx, length; syscall
    leave = b"\xb8\x3c\0\0\0" + b"\x31\xff" + b"\x0f\x05"  # mov eax, 60 (exit); xor edi, edi; syscall
    return write + where + length + leave + _LINE


def _arm64() -> bytes:
    write = (0xD2800020, 0x100000E1, 0xD2800002 | len(_LINE) << 5)  # x0 = 1; x1 = the line; x2 = length
    leave = (0xD2800808, 0xD4000001, 0xD2800000, 0xD2800BA8, 0xD4000001)  # x8 = 64, svc; x0 = 0; x8 = 93, svc
    return struct.pack("<8I", *write, *leave) + _LINE
