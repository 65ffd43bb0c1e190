"""votes.jsonl: the votes on a sweep's pictures, one JSON object a line, only ever appended to.

Several people may vote at once, in several processes: each line is written whole, under a lock.
What a killed process or a full disk left of a line costs no other.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from runner.analysis.results import SweepResult
from runner.errors import ConfigError, StorageError
from runner.system.files import below
from runner.system.typed_json import FieldError, read_as
from runner.system.untrusted import FileName, UntrustedError, parse_json, path_below, read_regular

VOTES = "votes.jsonl"
VERSION = 1


class Answer(StrEnum):
    """Which picture was preferred."""

    left = "left"
    right = "right"
    tie = "tie"


@dataclass(frozen=True)
class Shown:
    """A picture that was voted on.

    Attributes:
        file: its PNG, from the sweep's folder on.
        sha256: of its pixels then: a vote on a picture that was drawn anew does not count.
    """

    file: FileName
    sha256: str


@dataclass(frozen=True)
class Vote:
    """A voter's answer on a pair of pictures.

    Attributes:
        id: names the line.
        time: UTC, as ISO 8601.
        question: as it was asked.
        prompt: of both; of the left one where prompts were compared.
    """

    id: str
    time: str
    voter: str
    question: str
    prompt: str
    seed: int
    left: Shown
    right: Shown
    answer: Answer

    @property
    def pair(self) -> frozenset[Shown]:
        """The two pictures, wherever they stood."""
        return frozenset((self.left, self.right))

    @property
    def preferred(self) -> Shown | None:
        """The picture that was preferred; None: a tie."""
        return {Answer.left: self.left, Answer.right: self.right, Answer.tie: None}[self.answer]


@dataclass(frozen=True)
class Votes:
    """What a file of votes holds.

    Attributes:
        votes: in the order of the file, the last of each voter on each pair and question, without
            those that were taken back.
        unreadable: numbers of lines that are no votes.
    """

    votes: tuple[Vote, ...]
    unreadable: tuple[int, ...]


@dataclass(frozen=True)
class _Withdrawal:
    """A line that takes an earlier vote back."""

    withdraws: str


def new_vote(
    voter: str, question: str, prompt: str, seed: int, shown: tuple[Shown, Shown], answer: Answer
) -> Vote:
    """A vote of now, with an id of its own; `shown`: left, right."""
    return Vote(secrets.token_hex(8), _now(), voter, question, prompt, seed, *shown, answer)


def append_vote(folder: Path, vote: Vote) -> None:
    """Keep a vote in a sweep's folder: it is on the disk when this returns. Raises StorageError."""
    _append(folder, asdict(vote))


def append_withdrawal(folder: Path, vote: Vote) -> None:
    """Take a vote back. Raises StorageError."""
    _append(
        folder,
        {"id": secrets.token_hex(8), "time": _now(), "voter": vote.voter, "withdraws": vote.id},
    )


def read_votes(folder: Path) -> Votes:
    """The votes of a sweep; none where there is no file.

    Raises:
        ConfigError: the file cannot be read at all.
    """
    try:
        content = read_regular(path_below(folder, VOTES))
    except FileNotFoundError:
        return Votes((), ())
    except (OSError, UntrustedError) as error:
        raise ConfigError("votes", folder / VOTES, f"cannot be read: {error}") from error
    votes, unreadable, withdrawn = [], [], set()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            said = _read(line)
        except (FieldError, UntrustedError):
            unreadable.append(number)
            continue
        if isinstance(said, Vote):
            votes.append(said)
        else:
            withdrawn.add(said.withdraws)
    kept: dict[tuple[str, str, frozenset[Shown]], Vote] = {}
    for vote in votes:
        if vote.id not in withdrawn:
            about = (vote.voter, vote.question, vote.pair)
            kept.pop(about, None)  # the last one has its place in the order
            kept[about] = vote
    return Votes(tuple(kept.values()), tuple(unreadable))


def votes_on(results: SweepResult) -> Votes:
    """The votes on a sweep, with the present files of their pictures: cells and pictures of a
    sweep that grew, or was merged with another, may have got other numbers. Pictures that are not
    found by their pixels stay as they were named.

    Raises:
        ConfigError: as `read_votes`.
    """
    votes = read_votes(results.folder)
    files: dict[str, list[str]] = {}
    for image in results.images():
        name = image.file.relative_to(results.folder).as_posix()
        files.setdefault(image.record.sha256, []).append(name)

    def now(shown: Shown) -> Shown:
        found = files.get(shown.sha256, [])
        return Shown(found[0], shown.sha256) if [shown.file] != found and len(found) == 1 else shown

    placed = (replace(vote, left=now(vote.left), right=now(vote.right)) for vote in votes.votes)
    return replace(votes, votes=tuple(placed))


def tally(results: SweepResult) -> dict[tuple[Path, str], tuple[int, int, int]]:
    """Each picture that was voted on, by its file and the hash of its pixels then -> how often it
    won, tied and lost, whatever the question.
    """
    found: dict[tuple[Path, str], tuple[int, int, int]] = {}
    for vote in votes_on(results).votes:
        for shown in (vote.left, vote.right):
            place = 1 if vote.preferred is None else 0 if shown == vote.preferred else 2
            about = (results.folder / shown.file, shown.sha256)
            counts = found.get(about, (0, 0, 0))
            won, tied, lost = (count + (number == place) for number, count in enumerate(counts))
            found[about] = won, tied, lost
    return found


def digest_of(results: SweepResult, votes: Iterable[Votes]) -> str:
    """A digest of pictures and votes: it changes when any of them does."""
    ids = sorted(vote.id for each in votes for vote in each.votes)
    return hashlib.sha256(json.dumps([results.digest, ids]).encode()).hexdigest()


def _read(line: bytes) -> Vote | _Withdrawal:
    content = parse_json(line, finite=True)
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise FieldError("is of another version")
    if "withdraws" in content:
        return read_as(_Withdrawal, content)
    return read_as(Vote, content)


def _append(folder: Path, content: dict[str, Any]) -> None:
    file = below(folder, VOTES)
    said = json.dumps({"version": VERSION, **content}, ensure_ascii=False, allow_nan=False)
    line = said.encode("utf-8", "replace") + b"\n"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(file, flags, 0o666)
        with open(descriptor, "r+b", buffering=0) as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)
            size = opened.seek(0, os.SEEK_END)
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # what a killed process left stays apart
            try:
                written = opened.write(line)
                os.fsync(descriptor)
            except OSError:
                opened.truncate(size)
                raise
            if written != len(line):
                opened.truncate(size)
                raise StorageError(f"cannot write {file}: the disk is full")
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
