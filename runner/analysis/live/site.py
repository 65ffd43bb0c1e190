"""What `kandinsky view` serves: the page, its data, its pictures, and the start of a vote."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from runner.analysis.live.feed import IMAGES, THUMBS, Feed, read_picture
from runner.analysis.report.page import DATA_FILE, data_script, page_served
from runner.images.png import DamagedPictureError
from runner.images.thumbnails import thumbnail_webp
from runner.system.loopback import HTML, JSON, PNG, SCRIPT, WEBP, Reply

FACTS = "facts.json"


class ViewSite:
    """The pages of one folder."""

    policy = "frame-ancestors 'none'"
    """The page itself names what it may load."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def get(self, name: str, query: str) -> Reply | None:
        """See `Site`."""
        if name.startswith((THUMBS, IMAGES)):
            return self._picture(name)
        if name not in ("", DATA_FILE, FACTS):
            return None
        news = self._feed.news()
        if name == "":
            title = f"{news.result.name} · {news.result.folder.name}"
            return Reply(page_served(title).encode(), HTML)
        if name == DATA_FILE:
            return Reply(data_script(news.data).encode(), SCRIPT)
        if parse_qs(query).get("after") == [news.version]:
            return Reply(b"", JSON, HTTPStatus.NO_CONTENT)
        return Reply.of(news.data)

    def _picture(self, name: str) -> Reply | None:
        kind, _, asked = name.partition("/")
        file = self._feed.picture(asked)
        if file is None:
            return None
        if f"{kind}/" == IMAGES:
            content = read_picture(self._feed.folder, file)
            return None if content is None else Reply(content, PNG, lasting=True)
        try:
            return Reply(thumbnail_webp(file), WEBP, lasting=True)
        except DamagedPictureError:
            return None

    def post(self, name: str, said: Any) -> Reply:
        """See `Site`."""
        raise KeyError(name)
