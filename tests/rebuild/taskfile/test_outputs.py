"""What steps hand to later steps."""

from __future__ import annotations

import pytest

from rebuild.taskfile import UnreadableOutput, read_outputs
from rebuild.taskfile.outputs import OutputReference, fill, references
from tests.rebuild.taskfile.reading import fault, step_text

OUTPUTS = {"build": {"tag": "v1 $x %{steps.build.outputs.tag}"}, "a.b": {"c-d": "x"}}


def test_lines_of_name_and_value_are_outputs() -> None:
    content = b"tag=v1\n\nurl=https://x/?a=b\r\nempty=\ntag=v2\nwith-dash= kept \n"

    assert read_outputs(content) == {"tag": "v2", "url": "https://x/?a=b", "empty": "", "with-dash": " kept "}


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert read_outputs(b"a=\xff") == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a=1\nb", "line 2 of the outputs is not of the form NAME=VALUE"),
        (b"1a=1", "line 1"),
        (b" a=1", "line 1"),
        (b"=1", "line 1"),
        (b"a=\0", "zero byte"),
        (b"a=" + b"x" * (1 << 20), "larger than 1,048,576 bytes"),
        (b"".join(b"a%d=1\n" % n for n in range(1001)), "more than 1000 outputs"),
    ],
)
def test_other_outputs_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(UnreadableOutput) as caught:
        read_outputs(content)

    assert words in str(caught.value)


def test_a_reference_is_replaced_and_its_value_is_not_read_again() -> None:
    assert fill("a:%{steps.build.outputs.tag}!", OUTPUTS) == "a:v1 $x %{steps.build.outputs.tag}!"


def test_an_id_may_hold_dots() -> None:
    assert list(references("%{ steps.a.b.outputs.c-d }")) == [OutputReference("a.b", "c-d")]
    assert fill("%{ steps.a.b.outputs.c-d }", OUTPUTS) == "x"


def test_an_output_that_nobody_wrote_is_empty() -> None:
    assert fill("[%{steps.build.outputs.no}%{steps.no.outputs.tag}]", OUTPUTS) == "[]"


@pytest.mark.parametrize("text", ["%{http_code}", "%{}", "$steps.a.outputs.b", "100%"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert list(references(text)) == []
    assert fill(text, OUTPUTS) == text


@pytest.mark.parametrize("text", ["%{steps.a.output.b}", "%{steps.a}", "%{steps.a.outputs.b"])
def test_what_only_begins_like_a_reference_is_refused(text: str) -> None:
    problem = fault(step_text(f"cmd: \"alpine echo '{text}'\""))

    assert "is no reference to an output" in problem.rule
    assert problem.hint == "write %{steps.ID.outputs.NAME}"


def test_an_output_does_not_become_part_of_a_script() -> None:
    text = "steps:\n- {id: a, cmd: x}\n- {cmd: 'alpine rm %{steps.a.outputs.b}', shell: true}\n"

    assert "puts an output into the text of a shell script" in fault(text).rule
