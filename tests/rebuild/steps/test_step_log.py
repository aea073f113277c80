"""The log of a run with several steps tells which step printed what, and none of its secrets."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from rebuild.images.tools import Tools
from rebuild.runs.equipment import Discretion, Equipment
from rebuild.secrets.mask import CHARACTERS_LEAST, forms, is_maskable
from rebuild.secrets.secret import Secret
from rebuild.steps.narration import Told
from rebuild.steps.step_log import LINE_BYTES_MOST, StepLog

END = b""


def heard(*pieces: tuple[str, bytes], secrets: Sequence[str] = ()) -> bytes:
    log = bytearray()
    discretion = Discretion(log.extend)
    discretion.learn_more([Secret(text) for text in secrets])
    lines = StepLog(discretion)
    for step, piece in pieces:
        lines.feed(step, piece)
    lines.finish()
    return bytes(log)


def test_each_line_of_a_step_begins_with_its_id() -> None:
    assert heard(("web", b"a\nb\n")) == b"web| a\nweb| b\n"


def test_lines_of_steps_that_print_at_the_same_time_are_not_mixed() -> None:
    assert heard(("web", b"one "), ("test", b"two\n"), ("web", b"half\n")) == b"test| two\nweb| one half\n"


def test_a_line_without_an_end_is_not_lost() -> None:
    assert heard(("web", b"no end")) == b"web| no end\n"


def test_a_line_without_an_end_stands_before_what_follows_the_end_of_its_step() -> None:
    assert heard(("web", b"no end"), ("web", END), ("", Told(b"over\n"))) == b"web| no end\nover\n"


def test_lines_that_tell_of_the_run_stay_as_scripts_look_for_them() -> None:
    told = Told(b"2026/11/23 08:00:00 Executing step ID: web. Timeout(sec): 600\n")

    assert heard(("web", told), ("", Told(b"done\n"))) == told + b"done\n"


def test_a_program_cannot_print_a_line_of_trackers_own() -> None:
    forged = b"2026/11/23 08:00:00 Step ID: web marked as successful\n"

    assert heard(("web", forged)) == b"web| " + forged


def test_a_line_of_trackers_own_does_not_end_the_line_that_a_step_is_at() -> None:
    pieces = [("web", b"pass hunt"), ("web", Told(b"told\n")), ("web", b"er22\n")]

    assert heard(*pieces, secrets=["hunter22"]) == b"told\nweb| pass ***\n"


def test_what_may_begin_a_secret_in_one_step_holds_up_no_other() -> None:
    log = bytearray()
    discretion = Discretion(log.extend)
    discretion.learn_more([Secret("hunter\n22")])
    lines = StepLog(discretion)

    lines.feed("web", b"hunter\n")
    lines.feed("test", b"ok\n")

    assert log == b"test| ok\n"


def test_a_secret_of_several_lines_is_hidden_though_each_line_gets_the_id_of_its_step() -> None:
    pieces = [("a", b"<ab\n"), ("b", b"x\n"), ("a", b"cd\nef>\n")]

    assert heard(*pieces, secrets=["ab\ncd\nef"]) == b"b| x\na| <***>\n"


def test_a_long_line_is_not_cut_within_a_secret() -> None:
    secret = "correct horse battery staple"
    filler = b"." * (LINE_BYTES_MOST - 5)

    out = heard(("a", filler + secret[:9].encode()), ("a", secret[9:].encode() + b"\n"), secrets=[secret])

    assert out.replace(b"\na| ", b"") == b"a| " + filler + b"***\n"


def equipment(**secrets: str) -> Equipment:
    tools: Tools = object()  # type: ignore[assignment]  # asked for nothing here
    return Equipment(tools, values={name: Secret(text) for name, text in secrets.items()})


def test_the_log_says_once_which_secret_is_too_short_to_be_hidden() -> None:
    log = bytearray()
    discretion = Discretion(log.extend)

    discretion.learn(equipment(pin="123", none=""))
    discretion.learn_more([Secret("123")])

    assert log == b"warning: the secret pin has fewer than 4 characters: it is not hidden in this log\n"


plain = st.text(alphabet="abc", min_size=CHARACTERS_LEAST, max_size=8)
odd = st.text(alphabet="ab.*[\\^$(\x1b[0m\r\n\"'&%é", min_size=CHARACTERS_LEAST, max_size=12)
long_enough = st.one_of(plain, odd).filter(lambda text: is_maskable(Secret(text)))
secret_texts = st.lists(long_enough, min_size=1, max_size=4)


@st.composite
def printed(draw: st.DrawFn) -> tuple[list[str], dict[str, list[bytes]], list[str]]:
    """Secrets; what each of three steps prints, in pieces; and in which order the pieces come."""
    secrets = draw(secret_texts)
    known = sorted(form for text in secrets for form in forms(Secret(text)))
    part = st.one_of(st.sampled_from(known or [b"-"]), st.sampled_from([b"\n", b"\r\n", b"a", b"bc", b" "]))
    pieces = {}
    for step in "xyz":
        whole = b"".join(draw(st.lists(part, max_size=6)))
        cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=5)))
        pieces[step] = [
            whole[start:end]
            for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
            if end > start
        ]
    order = draw(st.permutations([step for step, of_step in pieces.items() for _ in of_step]))
    return secrets, pieces, list(order)


@given(printed())
def test_steps_side_by_side_show_what_each_would_show_alone(
    case: tuple[list[str], dict[str, list[bytes]], list[str]],
) -> None:
    secrets, pieces, order = case
    waiting = {step: iter(of_step) for step, of_step in pieces.items()}

    together = heard(*((step, next(waiting[step])) for step in order), secrets=secrets)

    for step, of_step in pieces.items():
        lines = [line for line in together.split(b"\n") if line.startswith(f"{step}| ".encode())]
        alone = heard(*((step, piece) for piece in of_step), secrets=secrets)
        assert b"".join(line + b"\n" for line in lines) == alone


@given(
    st.text(alphabet="QWERTZ.*[\\^$(\x1b\r\n\"'&%é/+", min_size=6, max_size=30).filter(
        lambda text: len(text.strip()) >= 6
    ),
    st.integers(1, 9),
    st.booleans(),
)
def test_no_promised_form_of_a_secret_is_ever_in_the_log(text: str, size: int, noisy: bool) -> None:
    whole = text.strip()
    shown = [whole, json.dumps(whole)[1:-1], quote(whole, safe=""), base64.b64encode(whole.encode()).decode()]
    shown += [whole.replace("\r\n", "\n"), whole.replace("\r\n", "\n").replace("\n", "\r\n")]
    output = "\n--\n".join(shown).encode()
    noise = [("n", b"noise\n")] if noisy else []
    pieces = [one for at in range(0, len(output), size) for one in [("s", output[at : at + size]), *noise]]

    log = heard(*pieces, secrets=[text]).replace(b"\ns| ", b"\n")

    assert [form for form in shown if form.encode() in log] == []


@given(st.binary(max_size=200), st.integers(1, 7))
def test_no_byte_is_lost_however_the_output_comes(output: bytes, size: int) -> None:
    pieces = [("s", output[at : at + size]) for at in range(0, len(output), size)]

    shown = b"\n".join(line.removeprefix(b"s| ") for line in heard(*pieces).split(b"\n"))

    assert shown[: len(output)] == output
    assert shown[len(output) :] in (b"", b"\n")
