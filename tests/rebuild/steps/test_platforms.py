"""Steps for other platforms than the machine's: built and run where the kernel can, else refused."""

from __future__ import annotations

import struct

import pytest

from graph.reference import Platform
from rebuild.engines.engine import EngineError
from rebuild.engines.probe_program import SAYS, program
from rebuild.runs.record import Status
from tests.e2e.bases import Shelf, layered_image
from tests.rebuild.steps.machine import FAILED, Machine


def program_386() -> bytes:
    """A static i386 executable of one segment: write(1, line, length), exit(0), by int 0x80."""
    line, load_at, headers = f"{SAYS}\n".encode(), 0x08048000, 52 + 32
    code_bytes = 34
    code = (
        b"\xb8\x04\0\0\0\xbb\x01\0\0\0"  # mov eax, 4 (write); mov ebx, 1 (stdout)
        + b"\xb9" + struct.pack("<I", load_at + headers + code_bytes)  # mov ecx, the line
        + b"\xba" + struct.pack("<I", len(line)) + b"\xcd\x80"  # mov edx, its length; int 0x80
        + b"\xb8\x01\0\0\0\x31\xdb\xcd\x80"  # mov eax, 1 (exit); xor ebx, ebx; int 0x80
        + b"\x90\x90\x90"
    )  # fmt: skip
    assert len(code) == code_bytes
    size = headers + len(code) + len(line)
    identity = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, load_at + headers, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, load_at, load_at, size, size, 5, 0x1000)
    return identity + header + segment + code + line


PROGRAMS = {"linux/386": program_386(), "linux/arm64": program("arm64") or b""}


@pytest.mark.anyio
@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_of_another_platform_is_built_in_and_run(steps_machine: Machine, name: str) -> None:
    platform = Platform.parse(name)
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put(
        f"platforms/{platform.architecture}:1",
        layered_image("foreign", architecture=platform.architecture, files={"probe": PROGRAMS[name]}),
    )

    done = await steps_machine.run(
        f"""
        steps:
        - {{id: image, build: -t {shelf.host}/platforms/app:{platform.architecture} .}}
        - {{id: built, cmd: {shelf.host}/platforms/app:{platform.architecture} /copy}}
        - {{id: base, cmd: {base} /probe}}
        - push: [{shelf.host}/platforms/app:{platform.architecture}]
        """,
        {"Dockerfile": f'FROM {base}\nRUN ["/probe"]\nCOPY --from={base} /probe /copy\n'},
        platform=platform,
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert all(SAYS in done.printed(step) for step in ("image", "built", "base"))
    (record,) = done.outcome.records
    assert record.platforms == (platform,)
    assert shelf.config(f"platforms/app:{platform.architecture}")["architecture"] == platform.architecture


@pytest.mark.anyio
async def test_files_are_put_on_a_base_of_windows(steps_machine: Machine) -> None:
    windows = Platform.parse("windows/amd64")
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put("platforms/nanoserver:1", layered_image("windows", system="windows"))

    done = await steps_machine.run(
        f"steps:\n- build: -t {shelf.host}/platforms/win:1 .\n- push: [{shelf.host}/platforms/win:1]\n",
        {"Dockerfile": f"FROM {base}\nCOPY Dockerfile /\n"},
        platform=windows,
    )

    assert done.outcome.status is Status.SUCCEEDED, done.outcome.error
    assert shelf.config("platforms/win:1")["os"] == "windows"
    assert shelf.layers("platforms/win:1")[:1] == shelf.layers("platforms/nanoserver:1")
    assert done.outcome.records[0].platforms == (windows,)


@pytest.mark.anyio
async def test_a_run_of_windows_is_refused_with_the_platform_that_is_missing(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put("platforms/nanoserver:1", layered_image("windows", system="windows"))

    done = await steps_machine.run(
        f"steps:\n- {{id: b, build: -t {shelf.host}/platforms/win:2 .}}\n",
        {"Dockerfile": f"FROM {base}\nRUN dir\n"},
        platform=Platform.parse("windows/amd64"),
    )

    assert done.statuses == {"b": FAILED}
    assert "Dockerfile:2: RUN needs a machine for windows/amd64" in done.error("b")


@pytest.mark.anyio
async def test_a_container_of_windows_is_refused_before_any_step(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    base = shelf.put("platforms/nanoserver:1", layered_image("windows", system="windows"))

    with pytest.raises(EngineError, match="step 'c' needs a machine for windows/amd64"):
        await steps_machine.run(
            f"steps: [{{id: c, cmd: {base} cmd /c dir}}]", platform=Platform.parse("windows/amd64")
        )
