"""What HashiCorp Vault answers, as a value or as one clear fault that names no secret. Sends nothing."""

from __future__ import annotations

import json
from typing import Any

import httpx

from rebuild.secrets.secret import Secret
from rebuild.secrets.secret_reader import SECRET_BYTES_MOST, SecretUnavailable

ANSWER_BYTES_MOST = 1024 * 1024


class Passing(SecretUnavailable):
    """Worth asking again."""


class TokenRefused(SecretUnavailable):
    """403: the token has expired, or its policy does not allow this."""


class NoSuchPath(SecretUnavailable):
    """404."""


class BadRequest(SecretUnavailable):
    """400, which a login with a wrong role gets."""


async def bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes(64 * 1024):
        body += piece
        if len(body) > ANSWER_BYTES_MOST:
            raise SecretUnavailable(f"Vault's answer is over {ANSWER_BYTES_MOST} bytes")
    return bytes(body)


def read_answer(status: int, body: bytes) -> dict[str, Any]:
    match status:
        case 200:
            try:
                return object_of(json.loads(body), "answer")
            except (ValueError, RecursionError):
                raise Passing("Vault's answer is not JSON") from None
        case 400:
            raise BadRequest("Vault refused the request (400)")
        case 403:
            raise TokenRefused(
                "Vault does not allow it (403)",
                hint="check that the token lives and that its policy has this path",
            )
        case 404:
            raise NoSuchPath(
                "Vault has no such secret", hint="check the mount and the path with: vault kv get"
            )
        case 503:
            raise Passing("Vault is sealed or starting (503)", hint="unseal it")
        case _ if status in (412, 429) or status >= 500:
            raise Passing(f"Vault answered with status {status}")
        case _ if 300 <= status < 400:
            raise SecretUnavailable(
                "Vault redirects to another address", hint="set VAULT_ADDR to that of the active node"
            )
        case _:
            raise SecretUnavailable(f"Vault answered with status {status}")


def object_of(found: Any, what: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise SecretUnavailable(f"Vault's answer has no object where {what} should be")
    return found


def value_of(path: str, key: str, found: dict[str, Any]) -> Secret:
    if key not in found:
        known = ", ".join(sorted(map(str, found)))[:200] or "none"
        raise SecretUnavailable(f"the secret has no key {key!r}", hint=f"it has these: {known}")
    value = found[key]
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text.encode(errors="surrogatepass")) > SECRET_BYTES_MOST:
        raise SecretUnavailable(f"it is over {SECRET_BYTES_MOST} bytes, which no secret may be")
    return Secret(text)
