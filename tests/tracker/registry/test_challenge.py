"""What registries write into WWW-Authenticate, and what strangers might."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.registry.challenge import Basic, Bearer, read_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"'


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([HUB], (Bearer("https://auth.docker.io/token", "registry.docker.io"),)),
        (['Basic realm="Registry Realm"'], (Basic(),)),
        (["Basic"], (Basic(),)),
        (['bearer REALM="https://x/t" , Service=plain'], (Bearer("https://x/t", "plain"),)),
        (['Bearer realm="https://x",error="invalid_token"'], (Bearer("https://x", "", "invalid_token"),)),
        (
            ['Bearer realm="https://x/?a=\\"b\\"",service="a, Basic"'],
            (Bearer('https://x/?a="b"', "a, Basic"),),
        ),
        (['Basic realm="a", Bearer realm="https://x"'], (Bearer("https://x", ""), Basic())),
        (['Basic realm="a"', 'Bearer realm="https://x"'], (Bearer("https://x", ""), Basic())),
        (['Negotiate, Basic realm="a"'], (Basic(),)),
        (["Negotiate YII=="], ()),
        (['Bearer service="only"'], ()),
        (['realm="https://x"'], ()),
        ([""], ()),
        ([], ()),
    ],
)
def test_challenges_are_read_bearer_first(headers: list[str], expected: tuple[object, ...]) -> None:
    assert read_challenges(headers) == expected


@given(st.lists(st.text(), max_size=3))
def test_no_header_breaks_the_reading(headers: list[str]) -> None:
    assert isinstance(read_challenges(headers), tuple)


_QUOTED = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)


@given(realm=_QUOTED, service=_QUOTED)
def test_quoted_values_come_back_as_they_were(realm: str, service: str) -> None:
    def quote(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = f"Bearer realm={quote(realm)},service={quote(service)}"

    assert read_challenges([header]) == (Bearer(realm, service),)
