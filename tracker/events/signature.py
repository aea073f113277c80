"""Signatures and fixed secrets of requests, compared in constant time. Knows no sender and no HTTP.

Several secrets count at once, so that one can be replaced by another while senders still use both.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from enum import StrEnum

from rebuild.secrets.secret import Secret

STANDARD_HEADER = "webhook-signature"
_SIGNATURES_MOST = 10
_ENCODED = "whsec_"  # before a secret of Standard Webhooks that is written in Base64


class Algorithm(StrEnum):
    """What an HMAC is made with."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


_ALGORITHMS = {each.value: each for each in Algorithm}


def is_signed(claimed: str, body: bytes, secrets: Iterable[Secret], algorithm: Algorithm) -> bool:
    """Whether `claimed` is the HMAC of the body, in hexadecimal digits, by one of the secrets."""
    made = (hmac.digest(_key(secret), body, algorithm).hex().encode() for secret in secrets)
    return _is_any(claimed.strip().lower(), made)


def is_signed_as_named(claimed: str, body: bytes, secrets: Iterable[Secret]) -> bool:
    """The same for a signature that names its algorithm, `sha256=…`."""
    name, _, digits = claimed.strip().partition("=")
    algorithm = _ALGORITHMS.get(name.lower())
    return algorithm is not None and is_signed(digits, body, secrets, algorithm)


def is_signed_by_standard(headers: Mapping[str, str], body: bytes, secrets: Iterable[Secret]) -> bool:
    """Whether one of the signatures is right, by https://www.standardwebhooks.com: `v1,` and the HMAC of id,
    time and body in Base64.

    How long ago that was is not asked: what is sent again changes nothing.
    """
    before = "".join(headers.get(name, "") + "." for name in ("webhook-id", "webhook-timestamp"))
    signed = before.encode("latin-1", "replace") + body
    made = [base64.b64encode(hmac.digest(_standard_key(each), signed, "sha256")) for each in secrets]
    claims = [claim.split(",", 1) for claim in headers.get(STANDARD_HEADER, "").split()[:_SIGNATURES_MOST]]
    return sum(_is_any(rest[0], made) for version, *rest in claims if version == "v1" and rest) > 0


def is_secret(claimed: str, secrets: Iterable[Secret]) -> bool:
    """Whether `claimed`, as HTTP libraries decode headers, is one of the secrets."""
    return _is_any(claimed, map(_key, secrets))


def token_of(secret: Secret, name: str) -> str:
    """What stands in an address instead of the secret: nobody learns the secret from it."""
    return hmac.new(_key(secret), f"address of {name}".encode(), hashlib.sha256).hexdigest()[:40]


def is_token(claimed: str, name: str, secrets: Iterable[Secret]) -> bool:
    """Whether `claimed` is the `token_of` one of the secrets."""
    return _is_any(claimed, (token_of(secret, name).encode() for secret in secrets))


def _key(secret: Secret) -> bytes:
    return secret.reveal().encode(errors="surrogateescape")  # as bytes of the environment become text


def _standard_key(secret: Secret) -> bytes:
    written = secret.reveal()
    if not written.startswith(_ENCODED):
        return _key(secret)
    try:
        return base64.b64decode(written.removeprefix(_ENCODED), validate=True)
    except ValueError:
        return _key(secret)


def _is_any(claimed: str, wanted: Iterable[bytes]) -> bool:
    given = claimed.encode("latin-1", "replace")
    # All are compared, whichever fits, so that the time tells nothing; any() of a generator would stop.
    return sum(hmac.compare_digest(given, each) for each in wanted) > 0
