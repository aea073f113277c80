"""Steps in real containers: what they see of one another, and what is left when they are done."""

from __future__ import annotations

import asyncio
import base64

import pytest

from graph.errors import WrongUse
from rebuild.runs.record import Status
from rebuild.secrets.secret import Secret
from rebuild.steps.runner import Pace
from rebuild.steps.step_rules import StepRules
from tests.rebuild.steps.machine import BOX, CANCELED, FAILED, SKIPPED, SUCCEEDED, Machine

PASSWORD = Secret("correct-horse-battery")


@pytest.mark.anyio
async def test_a_step_reaches_another_by_its_id(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: web
          cmd: {BOX} sh -c 'echo hello > /index.html && httpd -f -p 80 -h /'
          detach: true
        - id: client
          cmd: {BOX} wget -q -O - http://web
          retries: 5
          retryDelay: 1
    """)

    assert done.outcome.status is Status.SUCCEEDED
    assert done.printed("client")[-1] == "hello"


@pytest.mark.anyio
async def test_steps_share_the_workspace_and_a_home(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - cmd: {BOX} sh -c 'echo one > file; echo two > $HOME/file'
          user: '1000'
        - id: reader
          cmd: {BOX} sh -c 'cat file $HOME/file'
    """)

    assert done.printed("reader")[-2:] == ["one", "two"]


@pytest.mark.anyio
async def test_output_reaches_the_log_byte_for_byte(steps_machine: Machine) -> None:
    pieces = bytearray()

    await steps_machine.run(
        f"steps: [{{id: p, cmd: '{BOX} printf \"a\\\\0\\\\377b\\\\r\\\\n%s\" end'}}]",
        sink=lambda step, piece: pieces.extend(piece) if step == "p" else None,
    )

    assert b"a\0\xffb\r\nend" in pieces


@pytest.mark.anyio
async def test_steps_side_by_side_wait_for_one_another(steps_machine: Machine) -> None:
    """Each goes on only when the other has begun: one after the other they would never end."""
    done = await steps_machine.run(f"""
        steps:
        - {{id: left, when: ["-"], cmd: "{BOX} sh -c 'touch l; until [ -e r ]; do sleep 0.1; done'"}}
        - {{id: right, when: ["-"], cmd: "{BOX} sh -c 'touch r; until [ -e l ]; do sleep 0.1; done'"}}
    """)

    assert done.statuses == {"left": SUCCEEDED, "right": SUCCEEDED}


@pytest.mark.anyio
async def test_a_step_is_tried_again_until_it_succeeds(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: moody
          cmd: {BOX} sh -c 'echo x >> tries; [ $(wc -l < tries) -eq 3 ]'
          retries: 5
          retryDelay: 1
    """)

    assert done.file("tries") == "x\n" * 3
    assert "Container failed during run: moody, waiting 1 seconds before retrying..." in done.log("moody")
    assert done.statuses == {"moody": SUCCEEDED}
    assert [step.tries for step in done.outcome.steps] == [3]


@pytest.mark.anyio
async def test_a_failure_that_prints_none_of_the_texts_is_final(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: moody
          cmd: {BOX} sh -c 'echo x >> tries; if [ $(wc -l < tries) -eq 1 ]; then echo try later; fi; exit 1'
          retries: 5
          retryDelay: 1
          retryOnErrors: [try later]
    """)

    assert done.file("tries") == "x\n" * 2
    assert done.error("moody") == "exit status 1"


@pytest.mark.anyio
async def test_repetitions_go_on_after_one_has_failed(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: often
          cmd: {BOX} sh -c 'echo x >> runs; [ $(wc -l < runs) -ne 2 ]'
          repeat: 3
          keep: true
    """)

    assert done.file("runs") == "x\n" * 4
    assert done.error("often") == "exit status 1"
    assert steps_machine.left() == []


@pytest.mark.anyio
async def test_a_timeout_holds_for_all_tries_together(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: endless
          cmd: {BOX} sh -c 'echo x >> tries; exit 1'
          timeout: 3
          retries: 1000
          retryDelay: 1
    """)

    assert done.outcome.status is Status.FAILED
    assert done.error("endless") == "timed out after 3 seconds"
    assert 1 <= len(done.file("tries").splitlines()) <= 4


@pytest.mark.anyio
async def test_a_run_that_takes_too_long_is_a_timeout_and_still_does_its_last_steps(
    steps_machine: Machine,
) -> None:
    done = await steps_machine.run(
        f"""
        steps:
        - {{id: slow, cmd: "{BOX} sleep 600"}}
        - {{id: last, finally: true, cmd: "{BOX} touch last"}}
        """,
        pace=Pace(timeout_s=2.0),
    )

    assert done.outcome.status is Status.TIMEOUT
    assert done.statuses == {"slow": CANCELED, "last": SUCCEEDED}


@pytest.mark.anyio
async def test_a_last_step_cannot_hold_up_a_run_that_is_out_of_time(steps_machine: Machine) -> None:
    done = await steps_machine.run(
        f'steps: [{{id: slow, finally: true, cmd: "{BOX} sleep 600"}}]',
        pace=Pace(timeout_s=1.0, last_steps_s=1.0),
    )

    assert (done.outcome.status, done.statuses) == (Status.TIMEOUT, {"slow": CANCELED})


@pytest.mark.anyio
async def test_a_detached_container_that_does_not_start_fails_its_step(steps_machine: Machine) -> None:
    done = await steps_machine.run(f'steps: [{{id: wrong, cmd: "{BOX} /no/such/program", detach: true}}]')

    assert done.statuses == {"wrong": FAILED}
    assert "/no/such/program" in done.log("wrong")


@pytest.mark.anyio
async def test_outputs_reach_later_steps(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: version
          cmd: {BOX} sh -c 'echo "tag=1 2; id" >> $TRACKER_OUTPUT'
          user: '1000'
        - id: shown
          cmd: {BOX} echo "%{{steps.version.outputs.tag}}"
          if: steps.version.outputs.tag != ''
    """)

    assert done.printed("shown")[-1] == "1 2; id"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "command",
    ["ln -s /etc/hostname $TRACKER_OUTPUT", "mkfifo $TRACKER_OUTPUT", "echo nothing > $TRACKER_OUTPUT"],
)
async def test_outputs_that_are_no_file_of_lines_fail_the_step(steps_machine: Machine, command: str) -> None:
    done = await steps_machine.run(f"steps: [{{id: odd, cmd: \"{BOX} sh -c '{command}'\"}}]")

    assert done.statuses == {"odd": FAILED}
    assert "outputs" in done.error("odd")


@pytest.mark.anyio
async def test_secrets_are_mounted_as_the_bytes_they_are(steps_machine: Machine) -> None:
    content = base64.b64encode(b"a\n$HOME `id`\n\n").decode()

    done = await steps_machine.run(f"""
        volumes: [{{name: keys, secret: {{token: {content}}}}}]
        steps:
        - id: reader
          cmd: {BOX} sh -c 'base64 /run/keys/token'
          user: '1000'
          volumeMounts: [{{name: keys, mountPath: /run/keys}}]
    """)

    assert done.printed("reader")[-1] == content


@pytest.mark.anyio
async def test_a_secret_variable_reaches_its_container_and_leaves_no_file(steps_machine: Machine) -> None:
    done = await steps_machine.run(
        f"""
        steps:
        - id: reader
          cmd: {BOX} sh -c 'test "$PASSWORD" = {PASSWORD.reveal()[:7]}*; echo ${{#PASSWORD}}'
          env: [PASSWORD={PASSWORD.reveal()}]
        """,
        secrets=(PASSWORD,),
    )

    assert done.printed("reader")[-1] == str(len(PASSWORD.reveal()))
    held = [
        path for path in done.folder.rglob("*") if path.is_file() and PASSWORD.reveal() in path.read_text()
    ]
    assert held == []


@pytest.mark.anyio
async def test_a_step_is_the_user_it_names_and_has_no_socket_of_the_engine(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - id: who
          cmd: {BOX} sh -c 'id -u; pwd; ls /var/run /run 2>/dev/null | grep -c sock'
          user: '1234'
          workingDirectory: deep/er
          exitedWith: [1]
    """)

    assert done.statuses == {"who": SUCCEEDED}
    assert done.printed("who")[-3:] == ["1234", "/workspace/deep/er", "0"]


@pytest.mark.anyio
async def test_rights_are_refused_before_anything_starts(steps_machine: Machine) -> None:
    with pytest.raises(WrongUse, match="privileged"):
        await steps_machine.run(f"steps: [{{cmd: {BOX} true}}, {{cmd: {BOX} true, privileged: true}}]")


@pytest.mark.anyio
async def test_an_operator_may_allow_privileged_steps(steps_machine: Machine) -> None:
    done = await steps_machine.run(
        f"steps: [{{id: mighty, cmd: {BOX} true, privileged: true}}]", rules=StepRules(privileged=True)
    )

    assert done.statuses == {"mighty": SUCCEEDED}


@pytest.mark.anyio
async def test_an_ignored_failure_counts_as_success_and_is_told(steps_machine: Machine) -> None:
    done = await steps_machine.run(f"""
        steps:
        - {{id: bad, cmd: "{BOX} false", ignoreErrors: true}}
        - {{id: after, cmd: "{BOX} true"}}
    """)

    assert done.statuses == {"bad": SUCCEEDED, "after": SUCCEEDED}
    assert done.error("bad") == "exit status 1"


@pytest.mark.anyio
async def test_no_more_steps_run_at_once_than_allowed(steps_machine: Machine) -> None:
    script = "mkdir lock && sleep 0.3 && rmdir lock"

    done = await steps_machine.run(
        f"steps: [{', '.join(f'''{{when: ['-'], cmd: {BOX} sh -c '{script}'}}''' for _ in range(3))}]",
        pace=Pace(steps_most=1),
    )

    assert done.outcome.status is Status.SUCCEEDED


@pytest.mark.anyio
async def test_an_image_that_nobody_has_fails_the_step(steps_machine: Machine) -> None:
    name = f"{steps_machine.registry.host}/nobody/has:1"

    done = await steps_machine.run(f"steps: [{{id: lost, cmd: {name}}}]")

    assert done.outcome.status is Status.FAILED
    assert "nobody/has:1: no such image" in done.error("lost")


@pytest.mark.anyio
async def test_a_canceled_run_leaves_nothing_and_still_does_its_last_steps(steps_machine: Machine) -> None:
    canceled = asyncio.Event()

    done = await steps_machine.run(
        f"""
        steps:
        - {{id: web, cmd: "{BOX} sleep 600", detach: true}}
        - {{id: slow, cmd: "{BOX} sh -c 'echo begun; sleep 600'"}}
        - {{id: never, cmd: "{BOX} touch never"}}
        - {{id: last, finally: true, if: canceled(), cmd: "{BOX} touch last"}}
        """,
        sink=lambda step, piece: canceled.set() if b"begun" in piece else None,
        canceled=canceled,
    )

    assert done.outcome.status is Status.CANCELED
    assert done.statuses == {"web": SUCCEEDED, "slow": CANCELED, "never": SKIPPED, "last": SUCCEEDED}
    assert steps_machine.left() == []


@pytest.mark.anyio
async def test_nothing_of_a_run_is_left_behind(steps_machine: Machine) -> None:
    await steps_machine.run(
        f"steps: [{{cmd: {BOX} true, keep: true}}, {{cmd: {BOX} sleep 600, detach: true}}]"
    )

    assert steps_machine.left() == []
