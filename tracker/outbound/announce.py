"""From ended runs and waves to messages in the outbox, in the caller's transaction. Sends nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from graph.clock import from_text, to_text
from graph.record import dataclass
from rebuild.runs.outbox import Outbox
from tracker.outbound.channel import Channel
from tracker.outbound.document import Document, of_run, of_wave
from tracker.outbound.ended import Unannounced
from tracker.outbound.notice import Ended, EndedWave

NEWS_S = 86400.0  # what ended before nobody needs to be told


@dataclass(frozen=True, slots=True)
class Announcer:
    """Who is told, and where others reach the service."""

    channels: Mapping[str, Channel]
    public_url: str | None = None
    news_s: float = NEWS_S

    def announce(self, connection: sqlite3.Connection, at: datetime) -> bool:
        """Turn what has ended into messages; answers whether anything had. Belongs inside `immediate()`.

        It takes a part of what there is: call it again, after others have had their turn.
        """
        unannounced = Unannounced(connection, at)
        runs, waves = unannounced.runs(), unannounced.waves()
        oldest = at - timedelta(seconds=self.news_s)
        alone = [ended for ended in runs if from_text(str(ended.run.finished_at)) >= oldest]
        news = [wave for wave in waves if from_text(wave.finished_at or to_text(at)) >= oldest]
        for channel, document in self._told(alone, news, at):
            for lane in channel.lanes:
                Outbox(connection).put(lane, document, at)
        unannounced.set_announced(runs, waves)
        return bool(runs or waves)

    def _told(
        self, runs: Iterable[Ended], waves: Iterable[EndedWave], at: datetime
    ) -> Iterator[tuple[Channel, Document]]:
        for channel in self.channels.values():
            for ended in runs:
                if channel.wants.includes(ended):
                    yield channel, of_run(ended, self.public_url)
            for wave in waves:
                if part := channel.wants.part_of(wave):
                    yield channel, of_wave(wave, part, self.public_url, at)
