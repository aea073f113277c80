"""Why no answer came, in words for people: from what httpx raises and from its causes. Asks nobody."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from typing import TypeVar

import httpx

from graph.reference import DEFAULT_REGISTRY
from rebuild.images.registry import RegistryUnavailable
from tracker.registry.hosts import speaks_plain_http, tls_hint
from tracker.registry.settings import RegistrySettings

_Cause = TypeVar("_Cause", bound=Exception)

# h11 and httpcore raise the same for an answer that breaks off as for one that is none.
_BROKE_OFF = re.compile(r"disconnected|closed connection")


def unavailable(
    registry: str, what: str, error: Exception, settings: RegistrySettings
) -> RegistryUnavailable:
    """The error to raise in the place of `error`; `what` was asked of the registry."""
    reason = why_no_answer(
        error, connect_timeout_s=settings.connect_timeout_s, read_timeout_s=settings.read_timeout_s
    )
    return RegistryUnavailable(f"{registry}: {what}: {reason}", hint=_hint(registry, error, settings))


def _hint(registry: str, error: Exception, settings: RegistrySettings) -> str | None:
    if first_cause(error, ssl.SSLError):
        return _certificate_hint(registry)
    if isinstance(error, httpx.RemoteProtocolError) and speaks_plain_http(registry, settings):
        return tls_hint(registry)
    if not isinstance(error, httpx.ConnectError):
        return None
    if registry == DEFAULT_REGISTRY:
        return f"a name without a registry belongs to {registry}: write another's before it, as in HOST/NAME"
    return f"check the name {registry}, and whether it is reached from this machine"


def short(error: object) -> str:
    """One line of at most 200 characters."""
    text = str(getattr(error, "strerror", None) or error)
    return " ".join(text.split())[:200]


def why_no_answer(error: Exception, *, connect_timeout_s: float, read_timeout_s: float) -> str:
    """What went wrong before an answer was there, for the end of a sentence."""
    if failed := first_cause(error, ssl.SSLError):
        return f"TLS failed: {short(failed)}"
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {connect_timeout_s:g} s"
        case httpx.TimeoutException():
            return f"no answer within {read_timeout_s:g} s"
        case httpx.ProxyError():
            return f"the proxy answered HTTP {short(error).partition(' ')[0]}"
        case httpx.ConnectError():
            return f"cannot connect: {_system_words(_innermost(error, OSError))}"
        case httpx.NetworkError() | ConnectionError():
            return "the connection was closed before the answer was whole"
        case httpx.RemoteProtocolError() if _BROKE_OFF.search(str(error)):
            return "the connection was closed before the answer was whole"
        case _:
            return f"a broken answer ({type(_innermost(error)).__name__})"


def first_cause(error: BaseException, kind: type[_Cause]) -> _Cause | None:
    """The outermost error of that kind among the causes of one."""
    return next((cause for cause in _causes(error) if isinstance(cause, kind)), None)


def _innermost(error: BaseException, kind: type[BaseException] = BaseException) -> BaseException:
    return [cause for cause in _causes(error) if isinstance(cause, kind) or cause is error][-1]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):  # one for each address of the host
            error = error.exceptions[0]
        else:
            error = error.__cause__ or error.__context__  # httpcore raises again `from None`


def _certificate_hint(registry: str) -> str:
    return (
        f"set ca_file for {registry} to the certificate that signed its own, "
        "or insecure = true if it speaks plain http"
    )


def _system_words(error: BaseException) -> str:
    """asyncio puts the address in place of the system's words for an error number."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and number > 0 else short(error)
