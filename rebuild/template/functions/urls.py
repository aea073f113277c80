"""The parts of a URL, taken apart and put together as Go does, which is stricter than Python."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from rebuild.template.error import Fault
from rebuild.template.function import functions
from rebuild.template.value import Dict, Value, raw

_PARTS = ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")
_PATH = "/~$&+,:;=@"
_FRAGMENT = "/~$&+,:;=@?!()*"
_USER = "~$&+,;="
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NO_USER = re.compile(r"[^A-Za-z0-9\-._:~!$&'()*+,;=%@]")
_NO_HOST = re.compile(r"[\x00-\x20#/?@\\^`{|}\x7f]|%(?!25)[0-7]")
_HOST = re.compile(r"(?P<name>\[.*\]|[^:\[]*)(?P<port>:[0-9]*)?", re.DOTALL)


def urlParse(text: str) -> Value:
    if _CONTROL.search(text):
        raise _fault("a control character is in it")
    rest, _, fragment = text.partition("#")
    scheme, rest = _scheme(rest)
    rest, _, query = rest.partition("?")
    parts: Dict = dict.fromkeys((*_PARTS, "hostname"), "")
    parts |= {"scheme": scheme, "query": query, "fragment": _unescaped(fragment)}
    if scheme and not rest.startswith("/"):
        return {**parts, "opaque": rest}
    if ":" in rest.partition("/")[0]:
        raise _fault("the first part of a path has no colon")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, behind = rest[2:].partition("/")
        parts |= _authority(authority)
        rest = slash + behind
    return {**parts, "path": _unescaped(rest)}


def _fault(reason: str) -> Fault:
    return Fault(f"urlParse: this is no URL: {reason}")


def _scheme(text: str) -> tuple[str, str]:
    if text.startswith(":"):
        raise _fault("there is no scheme before the colon")
    match = _SCHEME.fullmatch(text)
    return (match[1].lower(), match[2]) if match else ("", text)


def _unescaped(text: str) -> str:
    if _NO_ESCAPE.search(text):
        raise _fault("a percent sign begins no escape")
    return unquote(text, errors="surrogateescape")


def _authority(text: str) -> Dict:
    user, _, host = text.rpartition("@")
    if _NO_USER.search(user):
        raise _fault("a character cannot be in its user")
    match = _HOST.fullmatch(host)
    name = match["name"] if match else ""
    if match is None:
        raise _fault("its host is not valid")
    if _NO_HOST.search(host):
        raise _fault("a character cannot be in its host")
    hostname = name[1:-1] if name.startswith("[") else name
    return {"host": _unescaped(host), "hostname": _unescaped(hostname), "userinfo": _user(user)}


def _user(text: str) -> str:
    name, colon, password = text.partition(":")
    return f"{_escaped(_unescaped(name), _USER)}{colon}{_escaped(_unescaped(password), _USER)}"


def _escaped(text: str, safe: str) -> str:
    return quote(raw(text), safe=safe)


def urlJoin(parts: Dict) -> Value:
    texts = {name: _part(parts, name) for name in _PARTS}
    scheme = f"{texts['scheme']}:" if texts["scheme"] else ""
    query = f"?{texts['query']}" if texts["query"] else ""
    fragment = f"#{_escaped(texts['fragment'], _FRAGMENT)}" if texts["fragment"] else ""
    if texts["opaque"]:
        return f"{scheme}{texts['opaque']}{query}{fragment}"
    userinfo = f"{texts['userinfo']}@" if texts["userinfo"] else ""
    host = f"//{userinfo}{texts['host']}" if userinfo or texts["host"] or texts["scheme"] else ""
    slash = "/" if texts["host"] and texts["path"] and not texts["path"].startswith("/") else ""
    return f"{scheme}{host}{slash}{_escaped(texts['path'], _PATH)}{query}{fragment}"


def _part(parts: Dict, name: str) -> str:
    value = parts.get(name, "")
    if not isinstance(value, str):
        raise Fault(f"urlJoin: {name} must be string")
    return value


FUNCTIONS = functions(urlParse=urlParse, urlJoin=urlJoin)
