"""What `kandinsky vote` serves: the page, the pictures that a voter was told of, and numbers."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from runner.analysis.voting.ballots import Ballots, voter_named
from runner.system.loopback import HTML, OWN_FILES_ALONE, PNG, SCRIPT, STYLE, Reply

STATIC = Path(__file__).parent / "static"
FILES = {"": ("vote.html", HTML), "vote.js": ("vote.js", SCRIPT), "vote.css": ("vote.css", STYLE)}


class VotingSite:
    """The page of one sweep's ballots.

    Args:
        voter: whose page it is; None: the page asks, and proposes the user's name.
    """

    policy = OWN_FILES_ALONE

    def __init__(self, ballots: Ballots, voter: str | None = None) -> None:
        self._ballots = ballots
        self._about = {"question": ballots.question, "voter": voter, "proposed": _user()}

    def get(self, name: str, query: str) -> Reply | None:
        """See `Site`."""
        if name in FILES:
            file, kind = FILES[name]
            return Reply((STATIC / file).read_bytes(), kind)
        picture = self._ballots.picture(name.removeprefix("picture/"))
        return None if picture is None else Reply(picture, PNG)

    def post(self, name: str, said: Any) -> Reply:
        """See `Site`."""
        if name == "about":
            return Reply.of(self._about)
        voter = voter_named(_text(said["voter"]))
        if name == "vote":
            self._ballots.vote(voter, _text(said["pair"]), _text(said["answer"]))
        elif name == "undo":
            self._ballots.undo(voter)
        elif name != "state":
            raise KeyError(name)
        return Reply.of({"voter": voter, **self._ballots.state(voter)})


def _user() -> str:
    """The user's name on this machine; "" if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
