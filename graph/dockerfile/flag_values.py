"""Which values flags take, as far as BuildKit looks at them in every stage, built or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from graph.dockerfile.instruction import Instruction
from graph.dockerfile.outline import Keyword
from graph.record import dataclass

_PARTS = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|ms|s|m|h)", re.ASCII)
_UNITS_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3}
_NO_TIME = ("", "0", "+0", "-0")
_COUNT = re.compile(r"\+?\d+|-0+", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Rule:
    told: str
    accepts: Callable[[str], bool]


def _one_of(*words: str) -> _Rule:
    return _Rule(f"{', '.join(words[:-1])} or {words[-1]}", words.__contains__)


def _is_interval(text: str) -> bool:
    """`1m30s`: none at all, or a millisecond and more."""
    length = text[1:] if text.startswith(("+", "-")) else text
    parts = _PARTS.findall(length)
    if not parts or "".join(number + unit for number, unit in parts) != length:
        return text in _NO_TIME
    length_ms = sum(float(number) * _UNITS_MS[unit] for number, unit in parts)
    return length_ms == 0 or (length_ms >= 1 and not text.startswith("-"))


def _is_count(text: str) -> bool:
    return not text or (_COUNT.fullmatch(text) is not None and int(text[:12]) < 1 << 31)


_INTERVAL = _Rule("a duration of at least 1ms, such as 30s", _is_interval)
_RULES: Mapping[tuple[Keyword, str], _Rule] = {
    (Keyword.RUN, "network"): _one_of("default", "none", "host"),
    (Keyword.RUN, "security"): _one_of("sandbox", "insecure"),
    (Keyword.HEALTHCHECK, "interval"): _INTERVAL,
    (Keyword.HEALTHCHECK, "timeout"): _INTERVAL,
    (Keyword.HEALTHCHECK, "start-period"): _INTERVAL,
    (Keyword.HEALTHCHECK, "start-interval"): _INTERVAL,
    (Keyword.HEALTHCHECK, "retries"): _Rule("a number from 0 on", _is_count),
}


def check_flag_values(instruction: Instruction) -> None:
    """Raise `DockerfileError` for a value that BuildKit would not take."""
    for flag in instruction.flags:
        rule = _RULES.get((instruction.keyword, flag.name))
        if rule is not None and flag.value is not None and not rule.accepts(flag.value):
            raise instruction.place.refuse(f"--{flag.name} is {rule.told}, not '{flag.value}'")
