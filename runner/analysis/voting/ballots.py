"""Who has voted on what, what comes next, and its pictures without a trace of their origin."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.analysis.comparison.labels import one_line
from runner.analysis.results import ImageResult, SweepResult
from runner.analysis.votes.pairs import Pair, Schedule
from runner.analysis.votes.record import (
    Answer,
    Shown,
    Vote,
    append_vote,
    append_withdrawal,
    new_vote,
    votes_on,
)
from runner.images.png import png_bytes, read_whole_picture
from runner.system.loopback import BadRequestError
from runner.system.text import path_here

QUESTION = "Which picture is better?"
"""What is asked where nothing else is said."""
LONGEST_NAME = 60
READY = 2
"""How many pairs are told at once: the one in hand, and the next, to be loaded meanwhile."""
KEPT_PICTURES = 16


class BallotError(BadRequestError):
    """What was asked is not possible; the message is for the voter."""


def voter_named(text: str) -> str:
    """A voter's name as it is kept. Raises BallotError: it is empty or too long."""
    name = one_line(text)
    if not 0 < len(name) <= LONGEST_NAME:
        raise BallotError(f"a name has 1 to {LONGEST_NAME} characters")
    return name


@dataclass
class _Voter:
    """A voter's pairs in order, and their votes on them, oldest first."""

    pairs: list[Pair]
    votes: list[Vote]
    done: set[frozenset[Shown]] = field(default_factory=set)


class Ballots:
    """The votes of all voters on a sweep, with one question. Threads may share it.

    Attributes:
        added: voter -> how many votes were given since it was made, less those taken back.
    """

    def __init__(self, results: SweepResult, question: str, schedule: Schedule) -> None:
        self.question = question
        self.added: dict[str, int] = {}
        self._folder = results.folder
        self._schedule = schedule
        self._before = [v for v in votes_on(results).votes if v.question == question]
        self._voters: dict[str, _Voter] = {}
        self._ended = False
        self._lock = threading.RLock()
        self._secret = secrets.token_bytes(16)
        self._unreadable: set[str] = set()
        self._places: dict[str, ImageResult] = {}
        self._pictures: OrderedDict[Path, bytes] = OrderedDict()

    def state(self, name: str) -> dict[str, Any]:
        """What a voter's page shows: how far they are, and the next pairs, as plain values."""
        with self._lock:
            voter = self._voter(name)
            left = [pair for pair in voter.pairs if not self._is_done(voter, pair)]
            coming = list(self._readable(left))
            return {
                "done": len(voter.done),
                "total": len(voter.pairs) - self._lost(voter),
                "undo": bool(voter.votes),
                "pairs": [self._told(name, pair) for pair in coming],
            }

    def vote(self, name: str, named: str, answer: str) -> None:
        """Keep a voter's answer on the pair that they were told last; another one is left alone,
        as that of a page that was open twice.

        Raises:
            BallotError: there is no such answer.
            StorageError: it cannot be kept.
        """
        if answer not in set(Answer):
            raise BallotError(f"an answer is {', '.join(Answer)}")
        with self._lock:
            voter = self._voter(name)
            left = (pair for pair in voter.pairs if not self._is_done(voter, pair))
            pair = next(self._readable(left), None)
            if pair is None or not hmac.compare_digest(self._name(name, pair, "pair"), named):
                return
            one = self._sides(name, pair)[0]
            shown = pair.shown if one is pair.images[0] else (pair.shown[1], pair.shown[0])
            vote = new_vote(name, self.question, one.prompt, one.seed, shown, Answer(answer))
            append_vote(self._folder, vote)
            voter.votes.append(vote)
            voter.done.add(vote.pair)
            self.added[name] = self.added.get(name, 0) + 1

    def undo(self, name: str) -> None:
        """Take a voter's last vote back; its pair comes next. Raises StorageError."""
        with self._lock:
            voter = self._voter(name)
            if not voter.votes:
                return
            append_withdrawal(self._folder, voter.votes[-1])
            voter.done.discard(voter.votes.pop().pair)
            self.added[name] = self.added.get(name, 0) - 1

    def picture(self, named: str) -> bytes | None:
        """A picture as PNG, pixels alone; None where no page was told of it."""
        with self._lock:
            image = self._places.get(named)
            return None if image is None else self._pixels(image)

    def finish(self) -> dict[str, tuple[int, int, int]]:
        """No vote is half kept when this returns, and none is taken any more.

        Returns:
            Voter -> votes added, done, of how many.
        """
        with self._lock:
            self._ended = True
            return {
                name: (self.added.get(name, 0), len(own.done), len(own.pairs) - self._lost(own))
                for name, own in self._voters.items()
            }

    def _voter(self, name: str) -> _Voter:
        if self._ended:
            raise BallotError("The program behind this page is ending: nothing more is kept.")
        if name not in self._voters:
            pairs = self._schedule.for_voter(name)
            known = {frozenset(pair.shown) for pair in pairs}
            votes = [vote for vote in self._before if vote.voter == name and vote.pair in known]
            self._voters[name] = _Voter(pairs, votes, {vote.pair for vote in votes})
        return self._voters[name]

    def _is_done(self, voter: _Voter, pair: Pair) -> bool:
        return frozenset(pair.shown) in voter.done or pair.mark in self._unreadable

    def _lost(self, voter: _Voter) -> int:
        return sum(
            pair.mark in self._unreadable and frozenset(pair.shown) not in voter.done
            for pair in voter.pairs
        )

    def _readable(self, pairs: Iterator[Pair] | list[Pair]) -> Iterator[Pair]:
        """The first pairs whose pictures are whole; others are told once, and left out."""
        found = 0
        for pair in pairs:
            broken = [image for image in pair.images if self._pixels(image) is None]
            if broken:
                self._unreadable.add(pair.mark)
                said = f"{path_here(broken[0].file)} is gone, damaged, or not what was recorded"
                print(f"warning: {said}", file=sys.stderr, flush=True)
                continue
            yield pair
            found += 1
            if found == READY:
                return

    def _told(self, name: str, pair: Pair) -> dict[str, Any]:
        left, right = self._sides(name, pair)
        told: dict[str, Any] = {"pair": self._name(name, pair, "pair"), "prompt": pair.prompt}
        for side, image in (("left", left), ("right", right)):
            told[side] = self._name(name, pair, side)
            self._places[told[side]] = image
        return told

    def _sides(self, name: str, pair: Pair) -> tuple[ImageResult, ImageResult]:
        one, other = pair.images
        return (other, one) if pair.is_turned(name) else (one, other)

    def _name(self, voter: str, pair: Pair, what: str) -> str:
        """A name for a page: without the secret it tells nothing, not even that a picture was
        shown before.
        """
        said = "\n".join((voter, pair.mark, what)).encode("utf-8", "replace")
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()[:32]

    def _pixels(self, image: ImageResult) -> bytes | None:
        if image.file in self._pictures:
            self._pictures.move_to_end(image.file)
            return self._pictures[image.file]
        picture = read_whole_picture(image.file, image.record.sha256)
        if picture is None:
            return None
        picture.info.clear()  # a colour profile, say: what is served is size and pixels
        self._pictures[image.file] = content = png_bytes(picture)
        while len(self._pictures) > KEPT_PICTURES:
            self._pictures.popitem(last=False)
        return content
