"""What follows the first operator of a `cmd` line: where the output goes, and what is left to a shell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.taskfile.tail import Route, Tail, TailError, TailReader

READER = TailReader("/workspace/src", ("/workspace", "/acb/home", "/run/v"), {"OUT": "a b", "F": "file"})
HELPER, LOG, NOWHERE = Route.HELPER, Route.LOG, Route.NOWHERE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| wc -l", Tail(HELPER, LOG, "wc -l")),
        ("|sort|uniq > f && ls", Tail(HELPER, LOG, "sort|uniq > f && ls")),
        ("2>&1 | grep x", Tail(HELPER, HELPER, "grep x")),
        ("2>/dev/null | wc", Tail(HELPER, NOWHERE, "wc")),
        ("2>&1 >/dev/null | wc", Tail(NOWHERE, HELPER, "wc")),
        ("> f", Tail(HELPER, LOG, "cat > f")),
        (">> '../a b'", Tail(HELPER, LOG, "cat >> '../a b'")),
        (">| $F", Tail(HELPER, LOG, "cat >| $F")),
        ("1> /workspace/f", Tail(HELPER, LOG, "cat > /workspace/f")),
        ("2> /run/v/f", Tail(LOG, HELPER, "cat > /run/v/f")),
        ("> f 2>&1", Tail(HELPER, HELPER, "cat > f")),
        ("2>&1 > f", Tail(HELPER, LOG, "cat > f")),
        ("> /dev/null", Tail(NOWHERE, LOG)),
        ("> /dev/null 2>&1 || x", Tail(NOWHERE, NOWHERE, after="|| x")),
        ("> f; cat f", Tail(HELPER, LOG, "cat > f", "; cat f")),
        (">f&&cat f", Tail(HELPER, LOG, "cat > f", "&& cat f")),
        ("&& a | b || c", Tail(after="&& a | b || c")),
        ("|| true", Tail(after="|| true")),
        (";", Tail()),
        ("; echo $?", Tail(after="; echo $?")),
        ("1>&2 | x", None),
    ],
)
def test_a_tail(text: str, expected: Tail | None) -> None:
    if expected is None:
        with pytest.raises(TailError, match="nothing is left for the pipe"):
            READER.read(text)
        return
    assert READER.read(text) == expected


@pytest.mark.parametrize(
    ("text", "rule", "hint"),
    [
        ("< file", "no standard input", "IMAGE sh -c 'program < file'"),
        ("| docker login r.io -u a --password-stdin", "docker has no engine", "credentials for the registry"),
        ("&& docker push r.io/a", "docker has no engine", "push: step"),
        ("| tee x; sudo podman run a", "podman has no engine", "a cmd: step of its own"),
        ("|", r"no command follows \|", None),
        ("&& ; x", "no command follows &&", None),
        ("> f > g", "more than one file", "tee"),
        ("> f | wc", "to a file and to a pipe", "tee"),
        ("> f word", "'word' follows a redirection", "end the command with"),
        ("> f &", "in the background", "detach: true"),
        ("> f\nls", "a line end divides two commands", ">-"),
        (">", "no file name follows >", "write > FILE"),
        ("> $OUT", "no file name follows >", "write > FILE"),
        ("> 'f", "a ' that nothing closes", None),
        ("|& wc", "is no operator of sh", r"2>&1 |"),
        ("3> f", "names a stream that no container has", "1 and 2"),
        ("2>&3", "names a stream that no container has", "1 and 2"),
        ("> /etc/passwd", "'/etc/passwd' would be gone with the helper container", "/workspace"),
        ("> ../../etc/x", "would be gone with the helper container", "/workspace"),
        ("> /workspace2/x", "would be gone with the helper container", "/workspace"),
    ],
)
def test_what_has_no_clear_meaning_is_refused_with_the_way_out(
    text: str, rule: str, hint: str | None
) -> None:
    with pytest.raises(TailError, match=rule) as caught:
        READER.read(text)

    assert caught.value.hint is None if hint is None else hint in str(caught.value.hint)


def test_a_quoted_name_of_an_engine_is_text() -> None:
    assert READER.read("| grep 'x; docker run'").reader == "grep 'x; docker run'"


@given(st.text(alphabet="|&;<>() \n'\"\\$ab12/.`{}", max_size=30))
def test_any_tail_is_read_or_refused(text: str) -> None:
    try:
        tail = READER.read(text)
    except TailError:
        return

    assert (Route.HELPER in (tail.stdout, tail.stderr)) == (tail.reader is not None)


@pytest.mark.parametrize("piece", ['\\"', '"\\"', " ", "\n", "\t\n", ";", "'", "sudo ", "{ "])
def test_a_tail_of_a_million_characters_is_read_in_one_pass(piece: str) -> None:
    """Looking for engines from each place again would take hours."""
    assert READER.read(f"| x {piece * (1_000_000 // len(piece))} y").reader is not None
