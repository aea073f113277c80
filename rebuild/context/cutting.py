"""HTTP connections of `requests` that another thread can cut. Knows no registry and no limit.

A timeout of `requests` counts from one byte to the next: who sends a byte now and then is waited for for
ever, by a thread that nobody can end. Its connection can be.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class CuttableAdapter(HTTPAdapter):
    """Mount it for `http://` and `https://`; after `cut` nothing that it carries goes on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._twins: list[socket.socket] = []
        self._is_cut = False
        self._pools = _pools(self._opened)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        proxies = super().proxy_manager_for(*arguments, **options)
        proxies.pool_classes_by_scheme = self._pools
        return proxies

    def cut(self) -> None:
        """End every connection, and every one that is still made."""
        with self._lock:
            self._is_cut = True
            for twin in self._twins:
                _shut(twin)

    def close(self) -> None:
        super().close()
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()

    def _opened(self, made: socket.socket) -> None:
        # TLS takes the socket over before it has shaken hands; a second handle stays ours all the time.
        twin = made.dup()
        with self._lock:
            self._twins.append(twin)
            if self._is_cut:
                _shut(twin)


def _shut(twin: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed on the other side
        twin.shutdown(socket.SHUT_RDWR)


def _pools(opened: Callable[[socket.socket], None]) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3 wants classes, so what hears of connections is in them."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            opened(made)
            return made

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            opened(made)
            return made

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}
