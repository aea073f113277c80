"""Hands a message to apprise, in a process that ends with its time. Knows no service that apprise knows."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rebuild.process import dies_with_parent
from rebuild.secrets.mask import masked
from rebuild.secrets.secret import Secret
from tracker.outbound.address import hidden_parts, shown
from tracker.outbound.delivery import Delivered, Delivery, NotDelivered
from tracker.outbound.words import Words
from tracker.wording import printable

_CHILD = Path(__file__).with_name("apprise_child.py")
_GRACE_S = 5.0  # to start, besides what the service may take
_WORDS_MOST = 300
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_PROXIES = re.compile(r"(?:https?|all|no)_proxy", re.IGNORECASE)


async def send_by_apprise(address: Secret, words: Words, *, timeout_s: float) -> Delivery:
    """Whether the service took it, as far as apprise can tell."""
    asked = {
        "address": address.reveal(),
        "subject": words.subject,
        "body": words.body,
        "mood": str(words.mood),
        "timeout_s": timeout_s,
    }
    said = await _asked_of_child(json.dumps(asked).encode(), timeout_s + _GRACE_S)
    if said is None:
        return NotDelivered(f"no answer within {timeout_s:g} s", is_down=True)
    return _delivery(said, address)


def _delivery(said: Mapping[str, Any], address: Secret) -> Delivery:
    if not said.get("known"):
        return NotDelivered(
            f"apprise does not understand this address, {shown(address)}",
            hint="the address has the form that https://appriseit.com describes for its service",
            is_final=True,
        )
    if said.get("is_sent"):
        return Delivered("apprise says that it was sent")
    told = masked(str(said.get("said", "")), hidden_parts(address))
    words = printable(told)[:_WORDS_MOST]
    return NotDelivered(f"apprise could not send it: {words}" if words else "apprise could not send it")


async def _asked_of_child(question: bytes, limit_s: float) -> Mapping[str, Any] | None:
    """What the child says; None where it says nothing in time."""
    child = await asyncio.create_subprocess_exec(
        *dies_with_parent(),
        sys.executable,
        "-P",  # the folder of the program holds modules of ours, and none that it is to find
        str(_CHILD),
        env=_environment(os.environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await child.communicate(question)
    except TimeoutError:
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        answer = json.loads(said)
    except ValueError:
        return {"known": True, "said": f"it ended with status {child.returncode}"}
    return answer if isinstance(answer, dict) else {}


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What the child finds: no secret of the service."""
    return {name: value for name, value in ours.items() if name in _PASSED_ON or _PROXIES.fullmatch(name)}
