"""Signatures of webhooks as Standard Webhooks has them (standardwebhooks.com). Sends nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from typing import Self

from graph.record import dataclass
from rebuild.secrets.secret import Secret

PREFIX = "whsec_"
_BYTES_LEAST, _BYTES_MOST = 24, 64


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The bytes that a secret stands for."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, secret: Secret) -> Self:
        """`whsec_` and base64. Raises ValueError, without the text."""
        text = secret.reveal()
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not text.startswith(PREFIX) or not _BYTES_LEAST <= len(key) <= _BYTES_MOST:
            raise ValueError(
                f"a signing secret is {PREFIX} and {_BYTES_LEAST} to {_BYTES_MOST} bytes in base64:"
                f' echo "{PREFIX}$(openssl rand -base64 32)" makes one'
            )
        return cls(key)

    def sign(self, delivery: str, seconds: int, body: bytes) -> str:
        """`v1,` and the signature of one try."""
        signed = f"{delivery}.{seconds}.".encode() + body
        return f"v1,{base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()}"


def signed_headers(keys: Iterable[SigningKey], delivery: str, body: bytes, at: datetime) -> dict[str, str]:
    """What goes with the body; a signature by each key, so that one can be replaced by another."""
    seconds = int(at.timestamp())
    signatures = " ".join(key.sign(delivery, seconds, body) for key in keys)
    headers = {"webhook-id": delivery, "webhook-timestamp": str(seconds)}
    return {**headers, "webhook-signature": signatures} if signatures else headers
