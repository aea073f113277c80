"""Turns the pages of one list of tags, within limits. Waits for nothing and repeats nothing by itself."""

from __future__ import annotations

from rebuild.images.registry import RegistryRefused, TagList
from tracker.registry.host import Host
from tracker.registry.settings import ListLimits
from tracker.registry.tag_list import PAGE, next_query, path_of, read_tags
from tracker.registry.wire import Asked


class TagPages:
    """What has been read so far. `query` is that of the next page, None once there is none."""

    def __init__(self, host: Host, repository: str, limits: ListLimits, known: TagList | None) -> None:
        self._host = host
        self._repository = repository
        self._limits = limits
        self._known = known
        self._tags: dict[str, None] = {}
        self._asked: set[str] = set()
        self._etag: str | None = None
        self._unchanged: TagList | None = None
        self.what = f"{host.registry}: the tags of {repository}"
        self.query: str | None = f"n={PAGE}"

    @property
    def found(self) -> TagList:
        return self._unchanged or TagList(tuple(self._tags), self._etag)

    async def turn(self) -> None:
        """Ask for the next page. Where that fails nothing is lost: it may be tried again."""
        query = self.query or ""
        path, subject = f"{path_of(self._repository)}?{query}", f"the tags of {self._repository}"
        headers = {"if-none-match": self._known.etag} if self._known and self._known.etag else {}
        headers = headers if not self._asked else {}
        asked = Asked("GET", path, subject, self._limits.page_bytes, headers)
        answer = await self._host.ask(self._repository, asked)
        if answer.status == 304 and self._known is not None:
            self._unchanged, self.query = self._known, None
            return
        self._asked.add(query)
        before = len(self._tags)
        self._tags |= dict.fromkeys(read_tags(self.what, answer.body))
        links = answer.headers.get_list("link")
        self.query = next_query(self.what, self._host.address, self._repository, links)
        self._check(grown=len(self._tags) > before)
        # An entity tag speaks for one page: of a longer list it would hide what has changed further on.
        one_page = self.query is None and len(self._asked) == 1
        self._etag = answer.headers.get("etag") if one_page else None

    def _check(self, *, grown: bool) -> None:
        if self.query is not None and (self.query in self._asked or not grown):
            raise RegistryRefused(f"{self.what}: the pages of the list go round in a circle")
        if len(self._asked) >= self._limits.pages and self.query is not None:
            raise RegistryRefused(f"{self.what}: the list has more than {self._limits.pages} pages")
        if len(self._tags) > self._limits.tags:
            raise RegistryRefused(f"{self.what}: the list has more than {self._limits.tags:,} tags")
