"""What `kandinsky view` serves: the page, its data, its pictures, and the start of a vote."""

from __future__ import annotations

import threading
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from runner.analysis.live.feed import IMAGES, THUMBS, Feed, read_picture
from runner.analysis.report.page import DATA_FILE, data_script, page_served
from runner.analysis.votes.pairs import make_schedule
from runner.analysis.voting.ballots import QUESTION, Ballots
from runner.analysis.voting.site import VotingSite
from runner.images.png import DamagedPictureError
from runner.images.thumbnails import thumbnail_webp
from runner.system.loopback import (
    HTML,
    JSON,
    PNG,
    SCRIPT,
    WEBP,
    Reply,
)

FACTS, VOTE = "facts.json", "vote"


class ViewSite:
    """The pages of one folder."""

    policy = "frame-ancestors 'none'"
    """The page itself names what it may load."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._votes: dict[tuple[str, str], VotingSite] = {}

    def get(self, name: str, query: str) -> Reply | None:
        """See `Site`."""
        if name.startswith((THUMBS, IMAGES)):
            return self._picture(name)
        voting, asked = self._voting(name)
        if voting is not None:
            reply = voting.get(asked, query)
            return reply and replace(reply, policy=voting.policy)
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
        content = None if file is None else read_picture(self._feed.folder, file)
        if file is None or content is None:
            return None
        if f"{kind}/" == IMAGES:
            return Reply(content, PNG, lasting=True)
        try:
            return Reply(thumbnail_webp(file), WEBP, lasting=True)
        except DamagedPictureError:
            return None

    def post(self, name: str, said: Any) -> Reply:
        """Begin a vote on the pictures that are there, by an axis: the address of its page; or
        what that page sends.
        """
        voting, asked = self._voting(name)
        if voting is not None:
            return voting.post(asked, said)
        if name != VOTE or not isinstance(said["by"], str):
            raise KeyError(name)
        news = self._feed.news()
        begun = said["by"], news.version  # pictures that came since are voted on, too
        with self._lock:
            if begun not in self._votes:
                schedule = make_schedule(news.result, [begun[0]])
                self._votes[begun] = VotingSite(Ballots(news.result, QUESTION, schedule))
            number = list(self._votes).index(begun)
        return Reply.of({"address": f"{VOTE}/{number}/"})

    def _voting(self, name: str) -> tuple[VotingSite | None, str]:
        """The vote that a name is of, and what is asked of it."""
        vote, _, rest = name.partition("/")
        number, slash, asked = rest.partition("/")
        if vote != VOTE or not slash or not number.isdecimal():
            return None, name
        with self._lock:
            return dict(enumerate(self._votes.values())).get(int(number)), asked
