"""Runs the application on a socket that is opened before anything else starts. Knows no route."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from tracker.settings import ConfigError


def open_socket(listen: str) -> socket.socket:
    """Bind `host:port`; a port that is taken is the operator's to change."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, int(port)))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(
            f"serve.listen: cannot listen on {listen}: {error}",
            hint="choose a free address of this machine, such as 127.0.0.1:8484",
        ) from error
    return bound


class Server(uvicorn.Server):
    """uvicorn that says when it answers, without its signal handlers: the service has its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(app: FastAPI) -> Server:
    return Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    )
