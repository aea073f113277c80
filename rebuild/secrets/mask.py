"""Hides texts in a stream of bytes, in all the forms in which programs print them. Knows no log and no run.

Every byte that belongs to an occurrence is hidden: two that overlap become one `***`, so no part of either
is left. The search is Aho and Corasick's, so its time grows with the stream alone, and what is held back is
what may still be the beginning of a secret, no more.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from graph.record import dataclass
from rebuild.secrets.secret import HIDDEN, Secret

CHARACTERS_LEAST = 4  # hiding every "on" or "1" would leave no log, and guessing so little takes no log

_MASK = HIDDEN.encode()
_STARTS_MOST = 40
_WRAPPED_AT = (64, 76)  # where openssl and base64 break their lines


def is_maskable(secret: Secret) -> bool:
    """Whether the text is long enough to be hidden."""
    return len(secret.reveal().strip()) >= CHARACTERS_LEAST


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """The whole text with every occurrence hidden."""
    return Masker(secrets).whole(text.encode(errors="replace")).decode(errors="replace")


def forms(secret: Secret) -> frozenset[bytes]:
    """What is searched for: the text and each of its lines, as such, in a URL, in JSON and in a shell; and
    the text as base64."""
    text = secret.reveal().strip()
    with_one = text.replace("\r\n", "\n")  # terminals and Windows put two characters at the end of a line
    plain = {text, with_one, with_one.replace("\n", "\r\n"), *(line.strip() for line in text.splitlines())}
    found = {form for one in plain if len(one) >= CHARACTERS_LEAST for form in _escaped(one)}
    if len(text) >= CHARACTERS_LEAST:
        found.update(_base64_forms(text.encode()))
    return frozenset(form for form in found if len(form) >= CHARACTERS_LEAST)


def _escaped(text: str) -> Iterator[bytes]:
    yield text.encode()
    in_url = [quote(text, safe=""), quote(text), quote_plus(text)]
    in_url += [re.sub("%..", lambda match: match[0].lower(), form) for form in in_url]
    in_json = [json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], _as_go_writes(text)]
    in_shell = [text.replace("'", "'\\''"), text.replace("'", "'\"'\"'")]
    yield from (form.encode() for form in (*in_url, *in_json, *in_shell))


def _as_go_writes(text: str) -> str:
    """JSON as Go's encoder writes it, and with it podman and docker."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    for character in "<>&\u2028\u2029":
        escaped = escaped.replace(character, f"\\u{ord(character):04x}")
    return escaped


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """Alone, broken into lines, and within a longer text: then it may begin at any of three places."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(raw)
        yield from (alone, alone.rstrip(b"="))
        for width in _WRAPPED_AT if len(alone) > min(_WRAPPED_AT) else ():
            yield from (alone[start : start + width] for start in range(0, len(alone), width))
        for before in range(3):
            # Characters that also depend on a neighbour are left out at both ends.
            whole = (before + len(raw)) * 8 // 6
            yield encode(b"\0" * before + raw)[(before * 8 + 5) // 6 : whole]


class _Automaton:
    """All forms in one table: where each byte leads from each state, and what ends there."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self.next: dict[int, int] = {}  # state * 256 + byte → state; one dict is a quarter of many
        self.fallback = [0]  # the state of the longest end of a state's text that is a beginning too
        self.depth = [0]
        self.longest = [0]  # length of the longest pattern that ends in a state
        for pattern in patterns:
            self._add(pattern)
        self._link()

    def _add(self, pattern: bytes) -> None:
        state = 0
        for byte in pattern:
            key = state << 8 | byte
            if key not in self.next:
                self.next[key] = len(self.depth)
                self.depth.append(self.depth[state] + 1)
                self.longest.append(0)
                self.fallback.append(0)
            state = self.next[key]
        self.longest[state] = len(pattern)

    def _link(self) -> None:
        children: dict[int, list[tuple[int, int]]] = {}
        for key, child in self.next.items():
            children.setdefault(key >> 8, []).append((key & 255, child))
        waiting = deque([0])
        while waiting:
            state = waiting.popleft()
            for byte, child in children.get(state, ()):
                waiting.append(child)
                if state:
                    self.fallback[child] = self.step(self.fallback[state], byte)
                self.longest[child] = max(self.longest[child], self.longest[self.fallback[child]])

    def step(self, state: int, byte: int) -> int:
        while True:
            to = self.next.get(state << 8 | byte)
            if to is not None:
                return to
            if not state:
                return 0
            state = self.fallback[state]


def _starts_of(patterns: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """Finds where the table need be asked; None where finding takes longer than asking."""
    starts = sorted({pattern[:CHARACTERS_LEAST] for pattern in patterns})
    if len(starts) > _STARTS_MOST:
        return None
    return re.compile(b"|".join(re.escape(start) for start in starts))


@dataclass(frozen=True, slots=True)
class _Search:
    """What is searched for, made once for all streams."""

    table: _Automaton | None
    starts: re.Pattern[bytes] | None

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> _Search:
        patterns = {form for secret in secrets for form in forms(secret)}
        return cls(_Automaton(sorted(patterns)) if patterns else None, _starts_of(patterns))


class Masker:
    """Feed it the pieces of one stream, write what it answers, and `flush()` at the end.

    Secrets of fewer than four characters are not hidden: `is_maskable` tells.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._begin(_Search.of(secrets))

    def beside(self) -> Masker:
        """For another stream: the same secrets, and nothing of what this one has seen."""
        other = Masker.__new__(Masker)
        other._begin(self._search_for)
        return other

    def whole(self, text: bytes) -> bytes:
        """A text that is no part of the stream."""
        other = self.beside()
        return other.feed(text) + other.flush()

    def _begin(self, search: _Search) -> None:
        self._search_for = search
        self._table, self._starts = search.table, search.starts
        self._state = 0
        self._held = b""  # the end of the stream that may begin a secret
        self._seen = 0  # bytes of the stream so far
        self._found: list[tuple[int, int]] = []  # occurrences from the held bytes on, disjoint, in order
        self._hidden_to = 0  # up to here the stream is covered by a `***` that was given out

    def feed(self, piece: bytes) -> bytes:
        """What may be shown now."""
        if self._table is None:
            return piece
        self._search(piece, self._table)
        text, begin = self._held + piece, self._seen - len(self._held)
        self._seen += len(piece)
        safe = self._seen - self._table.depth[self._state]  # nothing that is still to come begins before
        shown = self._show(text, begin, safe)
        self._held = text[safe - begin :]
        return shown

    def flush(self) -> bytes:
        """The rest, when nothing comes any more."""
        shown = self._show(self._held, self._seen - len(self._held), self._seen)
        self._held, self._state = b"", 0
        return shown

    def _search(self, piece: bytes, table: _Automaton) -> None:
        state, place, end = self._state, 0, len(piece)
        following, fallback, longest = table.next, table.fallback, table.longest
        while place < end:
            if not state and self._starts is not None:
                place = self._next_start(self._starts, piece, place)
            byte = piece[place]
            # `step` of the table, written out: a call for each byte takes twice the time.
            while (to := following.get(state << 8 | byte)) is None and state:
                state = fallback[state]
            state = to or 0
            place += 1
            if longest[state]:
                self._note(self._seen + place - longest[state], self._seen + place)
        self._state = state

    @staticmethod
    def _next_start(starts: re.Pattern[bytes], piece: bytes, place: int) -> int:
        found = starts.search(piece, place)
        return found.start() if found else max(place, len(piece) - CHARACTERS_LEAST + 1)

    def _note(self, start: int, end: int) -> None:
        while self._found and start < self._found[-1][1]:
            start = min(start, self._found.pop()[0])
        self._found.append((start, end))

    def _show(self, text: bytes, begin: int, safe: int) -> bytes:
        """The stream from `begin` to `safe`; `text` is it from `begin` on."""
        shown, at = [], max(begin, self._hidden_to)
        kept = []
        for start, end in self._found:
            if start > safe:
                kept.append((start, end))  # something longer may still cover its beginning
                continue
            if start >= self._hidden_to:
                shown += [text[at - begin : start - begin], _MASK]
            at = self._hidden_to = max(end, self._hidden_to)
        self._found = kept
        shown.append(text[at - begin : max(at, safe) - begin])
        return b"".join(shown)
