"""What follows the first operator of a `cmd` line, in real containers joined by a real pipe."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from graph.reference import ImageRef
from rebuild.runs.record import Status
from rebuild.secrets.secret import Secret
from rebuild.steps.runner import Pace
from rebuild.steps.step_rules import StepRules
from tests.e2e.bases import Shelf, with_shell
from tests.rebuild.steps.machine import BOX, FAILED, SUCCEEDED, Done, Machine

ALLOWED = StepRules(helper=ImageRef.parse(BOX))


async def run(machine: Machine, line: str, **options: object) -> Done:
    """One step `s` with that line after the name of its image."""
    properties = str(options.pop("properties", ""))
    text = f"steps:\n- id: s\n  cmd: >-\n    {BOX} {line}\n{properties}"
    return await machine.run(text, **{"rules": ALLOWED, **options})  # type: ignore[arg-type]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("printf 'b\\na\\n' | sort", ["a", "b"]),
        ("echo one > f; cat f", ["one"]),
        ("echo one > f && echo two >> f; cat f", ["one", "two"]),
        ("sh -c 'echo out; echo err >&2' 2>&1 | sort -r", ["out", "err"]),
        ("sh -c 'echo out; echo err >&2' 2>/dev/null | tr a-z A-Z", ["OUT"]),
        ("sh -c 'echo out; echo err >&2' 2>&1 >/dev/null | cat", ["err"]),
        ("sh -c 'exit 7' || echo failed with $?", ["failed with 7"]),
        ("true || echo never", []),
        ("true && echo well", ["well"]),
        ("sh -c 'exit 3'; echo $?", ["3"]),
        ("sh -c 'exit 3' && echo never || echo else", ["else"]),
        ('echo $X | sed "s/a/$Y/"', ["b c"]),
        ("echo a | tee f | wc -l && pwd", ["1", "/workspace/sub"]),
    ],
)
async def test_a_line_does_what_a_shell_would_do(
    steps_machine: Machine, line: str, printed: list[str]
) -> None:
    done = await run(
        steps_machine, line, properties="  env: [X=a c, Y=b]\n  workingDirectory: sub\n", files={"sub/x": ""}
    )

    assert done.statuses == {"s": SUCCEEDED}, done.log("s")
    assert [line for line in done.printed("s") if not line.startswith("image ")] == printed


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "exit_code"),
    [
        ("sh -c 'echo a; exit 4' | cat", 4),
        ("echo a | sh -c 'cat; exit 5'", 5),
        ("sh -c 'exit 4' | sh -c 'exit 5'", 5),
        ("sh -c 'exit 6' > f", 6),
        ("sh -c 'exit 3' && true", 3),
        ("true && sh -c 'exit 8'", 8),
        ("echo a | no-such-program", 127),
        ("no-such-program | cat", 127),
    ],
)
async def test_a_step_fails_with_the_last_command_that_fails(
    steps_machine: Machine, line: str, exit_code: int
) -> None:
    done = await run(steps_machine, line)

    assert done.statuses == {"s": FAILED}
    assert done.outcome.steps[0].exit_code == exit_code
    assert steps_machine.left() == []


@pytest.mark.anyio
async def test_a_stream_of_any_size_passes_byte_for_byte(steps_machine: Machine) -> None:
    """A slow reader makes the writer wait: nothing is lost, nothing is kept in memory."""
    done = await run(steps_machine, "dd if=/dev/zero bs=1M count=100 2>/dev/null | (sleep 2; sha256sum)")

    assert f"{hashlib.sha256(bytes(100 << 20)).hexdigest()}  -" in done.log("s")


@pytest.mark.anyio
async def test_a_writer_that_nobody_reads_any_more_is_ended(steps_machine: Machine) -> None:
    done = await run(steps_machine, "yes | head -n 2")

    assert done.printed("s").count("y") == 2
    assert "signal" not in done.log("s")
    assert done.statuses == {"s": SUCCEEDED}
    assert steps_machine.left() == []


@pytest.mark.anyio
async def test_a_command_that_prints_no_more_goes_on_after_the_end_of_its_reader(
    steps_machine: Machine,
) -> None:
    done = await run(steps_machine, "sh -c 'sleep 3; echo done > file; exit 9' | true")

    assert done.file("file") == "done\n"
    assert done.outcome.steps[0].exit_code == 9


@pytest.mark.anyio
async def test_a_file_with_an_absolute_name_is_written_into_the_workspace(steps_machine: Machine) -> None:
    done = await run(steps_machine, "echo a > /workspace/f")

    assert done.file("f") == "a\n"


@pytest.mark.anyio
async def test_the_reader_can_hand_outputs_on(steps_machine: Machine) -> None:
    done = await steps_machine.run(
        f"""
        steps:
        - {{id: v, cmd: "{BOX} echo 1.2 | sed s/^/version=/ > $TRACKER_OUTPUT"}}
        - {{id: u, cmd: "{BOX} echo %{{steps.v.outputs.version}}"}}
        """,
        rules=ALLOWED,
    )

    assert done.printed("u")[-1] == "1.2"


@pytest.mark.anyio
async def test_a_secret_variable_reaches_the_helper_and_no_command_line(steps_machine: Machine) -> None:
    secret = Secret("correct-horse-battery")

    done = await run(
        steps_machine,
        "true && echo ${#PASSWORD}",
        properties="  env: [PASSWORD=correct-horse-battery]\n",
        secrets=(secret,),
    )

    assert done.printed("s")[-1] == str(len(secret.reveal()))


@pytest.mark.anyio
async def test_every_try_begins_from_the_start(steps_machine: Machine) -> None:
    done = await run(
        steps_machine,
        "echo x | tee -a tries && [ $(wc -l < tries) -eq 3 ]",
        properties="  retries: 5\n  retryDelay: 1\n",
    )

    assert done.statuses == {"s": SUCCEEDED}
    assert done.file("tries") == "x\n" * 3


@pytest.mark.anyio
@pytest.mark.parametrize(
    "line",
    [
        "sh -c 'echo begun >&2; sleep 600' | cat",
        "echo a | (echo begun; sleep 600)",
        "sh -c 'echo begun >&2; yes' | sleep 600",  # the pipe is full, and the engine waits for it
        "true && sh -c 'echo begun; sleep 600'",
    ],
)
async def test_cancelling_ends_both_containers(steps_machine: Machine, line: str) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(
        run(steps_machine, line, sink=lambda step, piece: begun.set() if b"begun" in piece else None)
    )
    await begun.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert steps_machine.left() == []


@pytest.mark.anyio
async def test_the_time_limit_is_for_both(steps_machine: Machine) -> None:
    done = await run(steps_machine, "sleep 600 | cat", properties="  timeout: 2\n", pace=Pace(timeout_s=60))

    assert done.error("s") == "timed out after 2 seconds"
    assert steps_machine.left() == []


@pytest.mark.anyio
async def test_the_image_of_the_helper_is_recorded_like_that_of_the_step(steps_machine: Machine) -> None:
    shelf = Shelf(steps_machine.registry, steps_machine.registry.host)
    helper = shelf.put("tails/helper:1", with_shell("helper"))

    done = await run(steps_machine, "echo a; echo b", rules=StepRules(helper=ImageRef.parse(helper)))

    assert done.outcome.status is Status.SUCCEEDED, done.log("s")
    (used,) = done.outcome.used
    assert (str(used.reference), used.manifests.digest) == (helper, shelf.digest("tails/helper:1"))


@pytest.mark.anyio
async def test_the_busybox_of_the_machine_helps_where_no_registry_has_the_helper(
    steps_machine: Machine,
) -> None:
    unreachable = StepRules(helper=ImageRef.parse("127.0.0.1:1/busybox:stable"))

    done = await run(steps_machine, "printf 'b\\na\\n' | sort && which sed", rules=unreachable)

    assert done.outcome.status is Status.SUCCEEDED, done.log("s")
    assert done.printed("s")[-3:] == ["a", "b", "/bin/sed"]
    assert done.outcome.used == ()


@pytest.mark.anyio
async def test_a_helper_that_is_not_to_be_had_is_told_with_the_setting(
    steps_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # the engine's own is known already
    unreachable = StepRules(helper=ImageRef.parse("127.0.0.1:1/busybox:stable"))

    done = await run(steps_machine, "echo a | cat", rules=unreachable)

    assert done.outcome.status is Status.ERROR
    assert "127.0.0.1:1/busybox:stable" in done.error("s")
    assert done.outcome.hint and "task_files.helper_image" in done.outcome.hint
