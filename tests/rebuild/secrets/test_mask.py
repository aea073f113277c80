"""Secrets in a stream of bytes are hidden, however it is cut, and everything else comes through."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebuild.secrets.mask import Masker, forms, is_maskable, masked
from rebuild.secrets.secret import Secret

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEA\n-----END KEY-----\n"


def shown(secrets: list[str], *pieces: bytes) -> bytes:
    masker = Masker([Secret(text) for text in secrets])
    return b"".join(masker.feed(piece) for piece in pieces) + masker.flush()


def covered(whole: bytes, patterns: set[bytes]) -> bytes:
    """The rule, written down as slowly as possible: overlapping occurrences are one."""
    found = sorted(
        (start, start + len(pattern))
        for pattern in patterns
        for start in range(len(whole))
        if whole.startswith(pattern, start)
    )
    merged: list[list[int]] = []
    for start, end in found:
        if merged and start < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    out, at = b"", 0
    for start, end in merged:
        out, at = out + whole[at:start] + b"***", end
    return out + whole[at:]


letters = st.text(alphabet="ab'\n&", max_size=9)
secret_texts = st.lists(letters, max_size=4)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    """Secrets of few letters, and pieces of a stream that is made of them, their forms and noise."""
    texts = draw(secret_texts)
    known = sorted(form for text in texts for form in forms(Secret(text)))
    parts = draw(st.lists(st.one_of(letters.map(str.encode), st.sampled_from(known or [b"-"])), max_size=12))
    whole = b"".join(parts)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return texts, [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@given(streams())
def test_any_cutting_gives_what_replacing_in_the_whole_gives(case: tuple[list[str], list[bytes]]) -> None:
    texts, pieces = case
    patterns = {form for text in texts for form in forms(Secret(text))}

    assert shown(texts, *pieces) == covered(b"".join(pieces), patterns)


@given(st.lists(st.text(alphabet="abc", min_size=4, max_size=9), min_size=1), st.text(alphabet="abc"))
def test_no_secret_is_ever_in_what_is_shown(texts: list[str], noise: str) -> None:
    whole = noise.join(texts).encode()

    out = shown(texts, *(bytes([byte]) for byte in whole))

    assert [text for text in texts if text.encode() in out] == []


@given(st.binary(max_size=200), st.lists(st.text(min_size=4, max_size=20), max_size=3))
def test_what_holds_no_secret_comes_through_byte_by_byte(stream: bytes, texts: list[str]) -> None:
    patterns = {form for text in texts for form in forms(Secret(text))}
    if covered(stream, patterns) == stream:
        assert shown(texts, stream) == stream


SECRET = "p@ss'w/o rd\"é<&>"


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        (f"is {SECRET}.", "is ***."),
        (f"https://u:{quote(SECRET, safe='')}@host/", "https://u:***@host/"),
        (f"https://u:{quote(SECRET, safe='').lower()}@host/", "https://u:***@host/"),
        (json.dumps({"password": SECRET}), '{"password": "***"}'),
        (json.dumps({"password": SECRET}, ensure_ascii=False), '{"password": "***"}'),
        ('{"p": "p@ss\'w/o rd\\"é\\u003c\\u0026\\u003e"}', '{"p": "***"}'),
        (f"+ login {shlex.quote(SECRET)}", "+ login '***'"),
        (base64.b64encode(SECRET.encode()).decode(), "***"),
    ],
)
def test_the_forms_in_which_programs_print_a_secret_are_hidden(printed: str, left: str) -> None:
    assert shown([SECRET], printed.encode()) == left.encode()


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("after", ["", "1", "12"])
def test_a_secret_within_a_longer_base64_text_is_hidden_wherever_it_begins(before: str, after: str) -> None:
    whole = base64.b64encode(f"{before}correct horse battery{after}".encode())

    out = shown(["correct horse battery"], whole)

    assert len(out.replace(b"***", b"")) <= len(base64.b64encode(f"{before}{after}xx".encode())) + 4
    assert b"***" in out


def test_base64_as_the_command_breaks_it_into_lines_is_hidden() -> None:
    secret = "0123456789" * 20
    printed = subprocess.run(["base64"], input=secret.encode(), capture_output=True, check=True).stdout

    assert set(shown([secret], printed).split()) == {b"***"}


def test_each_line_of_a_key_is_hidden_where_it_stands_alone() -> None:
    out = shown([KEY], b"   MIIEvQIBADANBgkqhkiG9w0\r\n> BAQEFAASCBKcwggSjAgEA <\n")

    assert out == b"   ***\r\n> *** <\n"


def test_a_log_stays_live_up_to_what_may_begin_a_secret() -> None:
    masker = Masker([Secret("hunter22")])

    assert masker.feed(b"step 1: ok\n") == b"step 1: ok\n"
    assert masker.feed(b"password hunt") == b"password "
    assert masker.feed(b"ing\n") == b"hunting\n"
    assert masker.feed(b"hunter22") == b"***"
    assert masker.flush() == b""


def test_secrets_that_overlap_leave_no_part_of_either() -> None:
    assert shown(["abcdef", "efghij"], b"<abcdefghij>") == b"<***>"


def test_a_secret_of_three_characters_is_left_and_can_be_told() -> None:
    assert shown(["abc"], b"abc") == b"abc"
    assert not is_maskable(Secret("abc\n"))
    assert is_maskable(Secret("abcd"))


def test_without_secrets_nothing_is_held_back() -> None:
    assert Masker([]).feed(b"abc") == b"abc"


def test_a_message_is_hidden_in_whole() -> None:
    assert masked("exit status 1: token hunter22", [Secret("hunter22")]) == "exit status 1: token ***"
