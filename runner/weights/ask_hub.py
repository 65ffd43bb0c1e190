"""Asks the hub, and fetches from it, through a process that can be stopped at once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from runner.system.machine import module_command, module_environment
from runner.weights.hub import RemoteFile, cache_dir

PATIENCE = 60.0
"""Seconds for which a hub that is busy or gone is asked again, before a download is given up."""
PATIENCE_VARIABLE = "KANDINSKY_HUB_PATIENCE"

PROBLEMS = {
    "gated": "is gated: accept its terms on the hub, and log in (hf auth login) or set "
    "HF_TOKEN; a token that was sent was not enough",
    "no_repository": "is not on the hub (404), or not open to you",
    "no_revision": "has no such revision (404)",
    "no_file": "has no file {name} (404)",
    "name": "is no name of a repository: {detail}",
    "refused": "is refused to you: the hub answers {detail}; the token may be wrong",
    "token": "cannot be asked for: the token (HF_TOKEN) holds characters that no token has",
    "no_hub": "cannot be had: what answers at the hub's address is no hub, perhaps the login page "
    "of a network (or HF_ENDPOINT names something else)",
    "answered": "cannot be had: the hub answers {detail}",
    "gone": "cannot be had: the hub cannot be reached ({detail})",
    "offline": "cannot be had: the hub's client was told to be offline (HF_HUB_OFFLINE)",
    "damaged": "sends {name} with other bytes than it lists, twice",
    "no_space": "does not fit: no space left on the disk of {cache}",
    "disk": "cannot be kept in {cache}: {detail}",
    "other": "cannot be had: {detail}",
}
"""Kind of an error of `runner.weights.hub_client` -> the end of a sentence."""

UNREACHED = ("gone", "offline", "answered", "no_hub")
"""Kinds of errors that say nothing of the repository itself."""


class HubError(Exception):
    """What the hub's process says went wrong. The message is the end of a sentence."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.kind = str(error["kind"])
        self.repo = str(error["repo"])
        self.name = error.get("name")
        super().__init__(PROBLEMS[self.kind].format(cache=cache_dir(), **error))


@dataclass(frozen=True)
class Asked:
    """A revision of a repository, asked for.

    Attributes:
        commit: the one to list; None: the revision's newest.
    """

    repo: str
    revision: str
    commit: str | None


@dataclass(frozen=True)
class Answer:
    """What the hub says.

    Attributes:
        newest: the revision's newest commit.
    """

    newest: str | None
    error: HubError | None


def patience() -> float:
    """Seconds of patience with a hub that is busy or gone."""
    try:
        return float(os.environ.get(PATIENCE_VARIABLE, PATIENCE))
    except ValueError:
        return PATIENCE


def ask_hub(asked: Sequence[Asked], seconds: float) -> dict[Asked, Answer]:
    """List repositories into the cache, with their configs.

    Args:
        seconds: of patience.
    """
    given = {"repositories": [asdict(one) for one in asked], "patience": seconds}
    answers: list[dict[str, Any]] = []
    for line in _lines("ask", given):
        answers = line.get("answers", answers)
    return {
        one: Answer(answer.get("newest"), HubError(answer["error"]) if "error" in answer else None)
        for one, answer in zip(asked, answers, strict=True)
    }


def fetch_files(
    files: Sequence[RemoteFile],
    on_bytes: Callable[[Mapping[str, int]], None],
    on_wait: Callable[[str], None],
) -> None:
    """Fetch files into the cache. What was fetched before is kept, in part, too.

    Args:
        on_bytes: is told how many bytes of each repository's files are there, several times a
            second.
        on_wait: is told why it waits.

    Raises:
        HubError: a file cannot be had.
    """
    given = {"files": [asdict(file) for file in files], "patience": patience()}
    for line in _lines("fetch", given):
        if "bytes" in line:
            on_bytes(line["bytes"])
        elif "waiting" in line:
            on_wait(line["waiting"])
        elif "error" in line:
            raise HubError(line["error"])


def _lines(task: str, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    with _client(task) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        last: dict[str, Any] = {}
        for text in process.stdout:
            last = json.loads(text)
            yield last
        if not last.keys() & {"answers", "done", "error"}:
            raise HubError(
                {"kind": "other", "detail": "its process ended", "repo": "", "name": None}
            )


@contextmanager
def _client(task: str) -> Iterator[subprocess.Popen[str]]:
    """The process, killed at the end of the context, however that comes."""
    process = subprocess.Popen(
        module_command("runner.weights.hub_client", task),
        env=module_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # What the client logs is told in our words.
        stderr=subprocess.DEVNULL,
        text=True,
        # Ctrl-C of a terminal goes to this process alone, which ends the other.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
