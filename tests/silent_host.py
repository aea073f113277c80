"""A server on loopback that takes connections and answers none of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SilentHost:
    """`calls` holds one item for each connection that was taken."""

    url: str
    calls: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@contextlib.asynccontextmanager
async def silent_host() -> AsyncIterator[SilentHost]:
    calls: asyncio.Queue[None] = asyncio.Queue()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.put_nowait(None)
        await reader.read()  # until the other side ends it
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        yield SilentHost(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", calls)
