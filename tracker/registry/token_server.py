"""The token server's language: what to send it, what its answer grants. Pure; sends and keeps nothing."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from graph.record import dataclass
from rebuild.images.registry import RegistryUnavailable
from rebuild.secrets.secret import Secret
from tracker.registry.budget import read_http_date
from tracker.registry.credentials import Credential, IdentityToken, basic_header
from tracker.registry.wire import Answer, Asked

LIFE_DEFAULT_S = 60.0
LIFE_LEAST_S = 5.0  # a token that was dead on arrival by the server's account is tried nonetheless
_CLIENT_ID = "base-image-tracker"
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")


@dataclass(frozen=True, slots=True)
class Grant:
    """A token, the seconds it lives, and what it allows to pull where that can be read in it."""

    token: Secret
    life_s: float
    repositories: frozenset[str] | None


def token_request(
    realm: httpx.URL,
    service: str,
    repositories: tuple[str, ...],
    credential: Credential | None,
    *,
    limit: int,
) -> Asked:
    """GET with one `scope` for each repository, or the OAuth2 POST that an identity token needs."""
    what = f"token from {realm.host}"
    scopes = [f"repository:{repository}:pull" for repository in repositories]
    if isinstance(credential, IdentityToken):
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": _CLIENT_ID,
            "scope": " ".join(scopes),
            "refresh_token": credential.token.reveal(),
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Asked("POST", realm, what, limit, headers, urlencode(form).encode())
    query = {"scope": scopes} | ({"service": [service]} if service else {})
    url = realm.copy_merge_params(query)
    headers = {} if credential is None else {"authorization": basic_header(credential)}
    return Asked("GET", url, what, limit, headers)


def read_grant(registry: str, answer: Answer, now: datetime) -> Grant:
    """Raises `RegistryUnavailable` where the answer holds no token. Never shows what it holds."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RegistryUnavailable(f"{registry}: the token server's answer is not a JSON object")
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryUnavailable(f"{registry}: the token server's answer holds no token")
    return Grant(Secret(token), _life_s(document, answer, now), _granted(token))


def _life_s(document: dict[str, Any], answer: Answer, now: datetime) -> float:
    """Counted from `issued_at` by the server's own clock: a token out of its cache is not new."""
    life_s = document.get("expires_in")
    if not isinstance(life_s, int | float) or not 0 < life_s < 1e9:
        life_s = LIFE_DEFAULT_S
    issued_at = _read_time(document.get("issued_at"))
    if issued_at is not None:
        server_now = read_http_date(answer.headers.get("date")) or now
        life_s -= max(0.0, (server_now - issued_at).total_seconds())
    return max(LIFE_LEAST_S, life_s)


def _read_time(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return at if at.tzinfo is not None else None


def _granted(token: str) -> frozenset[str] | None:
    """What a JWT's `access` claim allows to pull. Not verified: the registry decides, this only plans."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        access = claims["access"] or []
        return frozenset(
            str(entry["name"])
            for entry in access
            if entry["type"] == "repository" and {"pull", "*"} & set(entry["actions"] or [])
        )
    except (binascii.Error, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
