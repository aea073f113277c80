"""What the pages for monitoring answer, by how the service is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.clocks import Hand
from tracker.api.app import Parts, Phase, build_app
from tracker.metrics import Metrics
from tracker.pulse import Part, Pulse

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class TestProbes:
    @pytest.fixture
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(":memory:")

    async def get(
        self,
        path: str,
        *,
        method: str = "GET",
        health: Callable[[], Mapping[str, Any]] = dict,
        phase: Phase = Phase.READY,
        scrape: Callable[[], Any] | None = None,
    ) -> httpx.Response:
        async def nothing() -> bytes:
            return b""

        parts = Parts(
            connection=sqlite3.connect(":memory:"),
            metrics=Metrics(),
            senders={},
            arrived=lambda: None,
            health=health,
            phase=lambda: phase,
            scrape=scrape or nothing,
            now=lambda: NOW,
        )
        transport = httpx.ASGITransport(build_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://tracker") as client:
            return await client.request(method, path)

    @pytest.mark.anyio
    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    async def test_name_the_part_that_is_stuck(self, path: str) -> None:
        hand = Hand()
        pulse = Pulse(hand)
        hand.at_s += 3600
        for part in set(Part) - {Part.POLLER}:
            pulse.beat(part)

        def health() -> Mapping[str, Any]:
            pulse.check()
            return {}

        answer = await self.get(path, health=health)

        assert answer.status_code == 503
        assert answer.json()["error"] == "the poller has not moved for 3600 s"

    @pytest.mark.anyio
    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    async def test_say_that_the_database_does_not_answer(self, path: str) -> None:
        def health() -> Mapping[str, Any]:
            raise sqlite3.OperationalError("disk I/O error")

        answer = await self.get(path, health=health)

        assert answer.status_code == 503
        assert "disk I/O error" in answer.json()["error"]

    @pytest.mark.anyio
    @pytest.mark.parametrize("phase", [Phase.STARTING, Phase.STOPPING])
    async def test_find_a_service_that_starts_or_stops_alive_but_not_ready(self, phase: Phase) -> None:
        alive, ready = await self.get("/healthz", phase=phase), await self.get("/readyz", phase=phase)

        assert (alive.status_code, ready.status_code) == (200, 503)
        assert ready.json() == {"status": str(phase)}

    @pytest.mark.anyio
    async def test_find_metrics_missing_where_the_database_cannot_be_read(self) -> None:
        async def scrape() -> bytes:
            raise sqlite3.DatabaseError("file is not a database")

        answer = await self.get("/metrics", scrape=scrape)

        assert (answer.status_code, answer.text) == (
            503,
            "the database cannot be read: file is not a database\n",
        )

    @pytest.mark.anyio
    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    async def test_answer_those_who_want_the_status_alone(self, path: str) -> None:
        answer = await self.get(path, method="HEAD")

        assert answer.status_code == 200
