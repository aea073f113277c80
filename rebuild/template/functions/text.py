"""Sprig's functions on text, the text last. Widths and positions count bytes, as Go's do."""

from __future__ import annotations

from collections.abc import Iterator

from rebuild.template.error import Fault
from rebuild.template.formatting import made, plain, quoted
from rebuild.template.function import Scope, functions
from rebuild.template.value import Dict, List, Value, cooked, raw

# What Go calls space; Python knows four more.
SPACES = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def trim(text: str) -> Value:
    return text.strip(SPACES)


def trimAll(characters: str, text: str) -> Value:
    return text.strip(characters) if characters else text


def trimPrefix(prefix: str, text: str) -> Value:
    return text.removeprefix(prefix)


def trimSuffix(suffix: str, text: str) -> Value:
    return text.removesuffix(suffix)


def nospace(scope: Scope, text: str) -> Value:
    scope.budget.walk(text)
    return "".join(c for c in text if c not in SPACES)


def contains(part: str, text: str) -> Value:
    return part in text


def hasPrefix(prefix: str, text: str) -> Value:
    return text.startswith(prefix)


def hasSuffix(suffix: str, text: str) -> Value:
    return text.endswith(suffix)


def replace(scope: Scope, old: str, new: str, text: str) -> Value:
    places = text.count(old)
    scope.budget.make(len(text) + places * len(new))
    return text.replace(old, new)


def repeat(scope: Scope, count: int, text: str) -> Value:
    if count < 0:
        raise Fault("repeat: a count is not negative")
    scope.budget.make(count * len(text))
    return text * count


def trunc(count: int, text: str) -> Value:
    content = raw(text)
    if len(content) <= count:
        return text
    if count < 0:
        raise Fault("trunc: a length is not negative")
    return cooked(content[:count])


def substr(start: int, end: int, text: str) -> Value:
    content = raw(text)
    first = max(start, 0)
    last = end if start < 0 or 0 <= end <= len(content) else len(content)
    if not 0 <= first <= last <= len(content):
        raise Fault("substr: the positions are outside of the text")
    return cooked(content[first:last])


def abbrev(width: int, text: str) -> Value:
    return text if width < 4 else _abbreviated(raw(text), 0, width)


def abbrevboth(left: int, right: int, text: str) -> Value:
    if right < 4 or (left > 0 and right < 7):
        return text
    return _abbreviated(raw(text), left, right)


def _abbreviated(content: bytes, offset: int, width: int) -> str:
    if len(content) <= width:
        return cooked(content)
    kept = width - 3
    offset = min(offset, len(content) - kept)
    if offset <= 4:
        return f"{cooked(content[:kept])}..."
    if offset + kept < len(content):
        return f"...{_abbreviated(content[offset:], 0, kept)}"
    return f"...{cooked(content[len(content) - kept :])}"


def indent(scope: Scope, spaces: int, text: str) -> Value:
    if spaces < 0:
        raise Fault("indent: a count is not negative")
    scope.budget.make(len(text) + (text.count("\n") + 1) * spaces)
    margin = " " * spaces
    return margin + text.replace("\n", f"\n{margin}")


def nindent(scope: Scope, spaces: int, text: str) -> Value:
    return f"\n{indent(scope, spaces, text)}"


def wrap(scope: Scope, width: int, text: str) -> Value:
    return _wrapped(scope, raw(text), width, b"\n", cuts_words=False)


def wrapWith(scope: Scope, width: int, separator: str, text: str) -> Value:
    return _wrapped(scope, raw(text), width, raw(separator) or b"\n", cuts_words=True)


def _wrapped(scope: Scope, content: bytes, width: int, separator: bytes, *, cuts_words: bool) -> str:
    width = max(width, 1)
    scope.budget.step(len(content) // width)
    scope.budget.make(len(content) + (len(content) // width + 1) * len(separator))
    return cooked(separator.join(_lines(content, width, cuts_words=cuts_words)))


def _lines(content: bytes, width: int, *, cuts_words: bool) -> Iterator[bytes]:
    at = 0
    while len(content) - at > width:
        if content[at : at + 1] == b" ":
            at += 1
            continue
        end = content.rfind(b" ", at, at + width + 1)
        skipped = 1
        if end < 0 and cuts_words:
            end, skipped = at + width, 0
        elif end < 0:
            end = content.find(b" ", at + width)
        if end < 0:
            break
        yield content[at:end]
        at = end + skipped
    yield content[at:]


def plural(one: str, many: str, count: int) -> Value:
    return one if count == 1 else many


def quote(scope: Scope, *values: Value) -> Value:
    texts = [plain(value, scope.budget) for value in values if value is not None]
    for text in texts:
        scope.budget.walk(text)
        scope.budget.make(4 * len(text))
    return " ".join(map(quoted, texts))


def squote(scope: Scope, *values: Value) -> Value:
    return made(
        [f"{' ' if at else ''}'{each}'" for at, each in enumerate(_texts(scope, values))], scope.budget
    )


def cat(scope: Scope, *values: Value) -> Value:
    return made([f"{' ' if at else ''}{each}" for at, each in enumerate(_texts(scope, values))], scope.budget)


def _texts(scope: Scope, values: tuple[Value, ...]) -> list[str]:
    return [plain(value, scope.budget) for value in values if value is not None]


def toString(scope: Scope, value: Value) -> Value:
    return plain(value, scope.budget)


def toStrings(scope: Scope, value: Value) -> List:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    scope.budget.step(len(values))
    return [plain(each, scope.budget) for each in values if each is not None]


def join(scope: Scope, separator: str, value: Value) -> Value:
    texts = [each for each in toStrings(scope, value) if isinstance(each, str)]
    scope.budget.make(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def splitList(scope: Scope, separator: str, text: str) -> Value:
    scope.budget.step(text.count(separator) + 1)
    parts: List = []
    parts += text.split(separator) if separator else text
    return parts


def split(scope: Scope, separator: str, text: str) -> Value:
    return _numbered(splitList(scope, separator, text))


def splitn(scope: Scope, separator: str, count: int, text: str) -> Value:
    parts = splitList(scope, separator, text)
    if isinstance(parts, list) and 0 <= count < len(parts):
        rest = [part for part in parts[max(count - 1, 0) :] if isinstance(part, str)]
        parts = [*parts[: count - 1], separator.join(rest)] if count else []
    return _numbered(parts)


def _numbered(parts: Value) -> Dict:
    return {f"_{at}": part for at, part in enumerate(parts)} if isinstance(parts, list) else {}


def fail(message: str) -> Value:
    raise Fault(message)


def hello() -> Value:
    return "Hello!"


FUNCTIONS = functions(
    trim=trim,
    trimAll=trimAll,
    trimall=trimAll,
    trimPrefix=trimPrefix,
    trimSuffix=trimSuffix,
    nospace=nospace,
    contains=contains,
    hasPrefix=hasPrefix,
    hasSuffix=hasSuffix,
    replace=replace,
    repeat=repeat,
    trunc=trunc,
    substr=substr,
    abbrev=abbrev,
    abbrevboth=abbrevboth,
    indent=indent,
    nindent=nindent,
    wrap=wrap,
    wrapWith=wrapWith,
    plural=plural,
    quote=quote,
    squote=squote,
    cat=cat,
    toString=toString,
    toStrings=toStrings,
    join=join,
    split=split,
    splitList=splitList,
    splitn=splitn,
    fail=fail,
    hello=hello,
)
