"""Base 64 and 32, checksums, and the parts of a URL."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from urllib.parse import quote, urlsplit

from rebuild.template.error import Fault
from rebuild.template.formatting import plain
from rebuild.template.function import Scope, functions
from rebuild.template.value import Dict, Value, cooked, raw

_URL_PARTS = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")


def b64enc(scope: Scope, value: Value) -> Value:
    """ACR's own: a value that is missing gives nothing, not an error."""
    if value is None:
        return ""
    return base64.b64encode(raw(plain(value, scope.budget))).decode()


def b64dec(text: str) -> Value:
    try:
        return cooked(base64.b64decode(_unbroken(text), validate=True))
    except (binascii.Error, ValueError):
        return "illegal base64 data"


def b32enc(text: str) -> Value:
    return base64.b32encode(raw(text)).decode()


def b32dec(text: str) -> Value:
    try:
        return cooked(base64.b32decode(_unbroken(text)))
    except (binascii.Error, ValueError):
        return "illegal base32 data"


def _unbroken(text: str) -> bytes:
    return raw(text.replace("\n", "").replace("\r", ""))


def sha1sum(text: str) -> Value:
    return hashlib.sha1(raw(text), usedforsecurity=False).hexdigest()


def sha256sum(text: str) -> Value:
    return hashlib.sha256(raw(text)).hexdigest()


def adler32sum(text: str) -> Value:
    return str(zlib.adler32(raw(text)))


def urlParse(text: str) -> Value:
    parts = urlsplit(text)
    userinfo, _, host = parts.netloc.rpartition("@")
    is_opaque = bool(parts.scheme) and not parts.netloc and not parts.path.startswith("/")
    return {
        "scheme": parts.scheme,
        "host": host,
        "hostname": parts.hostname or "",
        "path": "" if is_opaque else parts.path,
        "query": parts.query,
        "opaque": parts.path if is_opaque else "",
        "fragment": parts.fragment,
        "userinfo": userinfo,
    }


def urlJoin(parts: Dict) -> Value:
    texts = {name: _part(parts, name) for name in _URL_PARTS}
    scheme = f"{texts['scheme']}:" if texts["scheme"] else ""
    query = f"?{texts['query']}" if texts["query"] else ""
    fragment = f"#{quote(texts['fragment'], safe=_FRAGMENT)}" if texts["fragment"] else ""
    if texts["opaque"]:
        return f"{scheme}{texts['opaque']}{query}{fragment}"
    userinfo = f"{texts['userinfo']}@" if texts["userinfo"] else ""
    host = f"//{userinfo}{texts['host']}" if userinfo or texts["host"] or texts["scheme"] else ""
    slash = "/" if texts["host"] and texts["path"] and not texts["path"].startswith("/") else ""
    return f"{scheme}{host}{slash}{quote(texts['path'], safe=_PATH)}{query}{fragment}"


_PATH = "/~$&+,:;=@"
_FRAGMENT = "/~$&+,:;=@?!()*"


def _part(parts: Dict, name: str) -> str:
    value = parts.get(name, "")
    if not isinstance(value, str):
        raise Fault(f"urlJoin: {name} must be string")
    return value


FUNCTIONS = functions(
    b64enc=b64enc,
    b64dec=b64dec,
    b32enc=b32enc,
    b32dec=b32dec,
    sha1sum=sha1sum,
    sha256sum=sha256sum,
    adler32sum=adler32sum,
    urlParse=urlParse,
    urlJoin=urlJoin,
)
