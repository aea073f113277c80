"""Texts by chance. The source of chance is the caller's, so that a test can say what comes."""

from __future__ import annotations

import string
import uuid

from rebuild.template.error import Fault
from rebuild.template.function import Scope, functions
from rebuild.template.value import Value

_PRINTABLE = "".join(map(chr, range(32, 127)))


def uuidv4(scope: Scope) -> Value:
    return str(uuid.UUID(int=scope.random.getrandbits(128), version=4))


def randAlpha(scope: Scope, count: int) -> Value:
    return _chosen(scope, string.ascii_letters, count)


def randAlphaNum(scope: Scope, count: int) -> Value:
    return _chosen(scope, string.ascii_letters + string.digits, count)


def randNumeric(scope: Scope, count: int) -> Value:
    return _chosen(scope, string.digits, count)


def randAscii(scope: Scope, count: int) -> Value:
    return _chosen(scope, _PRINTABLE, count)


def shuffle(scope: Scope, text: str) -> Value:
    scope.budget.step(len(text))
    return "".join(scope.random.sample(text, len(text)))


def _chosen(scope: Scope, characters: str, count: int) -> str:
    if count < 0:
        raise Fault("a length is not negative")
    scope.budget.step(count)
    scope.budget.make(count)
    return "".join(scope.random.choices(characters, k=count))


FUNCTIONS = functions(
    uuidv4=uuidv4,
    randAlpha=randAlpha,
    randAlphaNum=randAlphaNum,
    randNumeric=randNumeric,
    randAscii=randAscii,
    shuffle=shuffle,
)
