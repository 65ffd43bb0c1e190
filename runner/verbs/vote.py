"""`kandinsky vote`: people choose between pictures of a sweep, without knowing which is which."""

from __future__ import annotations

import os

from runner.errors import ConfigError, StorageError
from runner.system.text import command, path_here, pluralize
from runner.verbs.folders import NEWEST, add_folder, folders_behind
from runner.verbs.parser import VerbParser

LONGEST_QUESTION = 200


def main(arguments: list[str]) -> int:
    """Serve the voting page on loopback until Ctrl-C, and say what was done."""
    options = parser().parse_args(arguments)
    # Imported here: --help needs no Pillow.
    from runner.analysis.comparison.labels import one_line
    from runner.analysis.selecting import select
    from runner.analysis.together import read_all
    from runner.analysis.votes.pairs import make_schedule
    from runner.analysis.voting.ballots import QUESTION, BallotError, Ballots, voter_named
    from runner.analysis.voting.site import VotingSite
    from runner.system.loopback import LoopbackServer
    from runner.verbs.serving import serve

    question = one_line(QUESTION if options.question is None else options.question)
    if not 0 < len(question) <= LONGEST_QUESTION:
        allowed = f"1 to {LONGEST_QUESTION} characters"
        raise ConfigError("question", options.question, "cannot be asked", allowed)
    if options.limit is not None and options.limit < 1:
        raise ConfigError("limit", options.limit, "is no number of pairs", "1 or more")
    try:
        voter = None if options.voter is None else voter_named(options.voter)
    except BallotError as error:
        raise ConfigError("voter", options.voter, str(error)) from error
    folder = options.folder or next(iter(folders_behind((options.by, options.where))), None)
    folder = (folder or NEWEST).absolute()
    (results,) = read_all([folder])
    cells = select(results, options.where) if options.where else results
    schedule = make_schedule(cells, options.by, options.limit)
    if not os.access(results.folder, os.W_OK):
        raise StorageError(f"votes are kept in {path_here(results.folder)}: it cannot be written")
    ballots = Ballots(results, question, schedule)
    server = LoopbackServer(VotingSite(ballots, voter), options.port)
    print(f"{pluralize(len(schedule), 'pair')} by {', '.join(map(one_line, schedule.by))}")
    if schedule.alike:
        print(f"{pluralize(schedule.alike, 'pair')} not shown: both have the same pixels")
    if schedule.cut:
        print(f"the first {len(schedule)} pairs; there are more")
    try:
        serve(server, is_opened=options.open)
    finally:
        done = ballots.finish()
    for name, (added, judged, of_all) in done.items():
        votes = pluralize(added, "vote")
        print(f"{name}: {votes} now; {judged} of {of_all} pairs judged")
    print(f"shown by: {command('compare', path_here(folder))}")
    return 0


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky vote",
        description="A page on this machine shows two pictures of one prompt and seed at a time, "
        "and does not tell which setting made which. Votes are kept in the sweep's folder; "
        "`kandinsky compare` shows what they say. Ctrl-C ends it, and it goes on where a voter "
        "stopped.",
    )
    add_folder(made, "a sweep")
    made.add_argument(
        "--by", metavar="AXIS", nargs="+", action="extend",
        help="axes that make a setting, as in `compare` (default: those that the baseline names, "
        "else all of the sweep but prompt and seeds)",
    )  # fmt: skip
    made.add_argument(
        "--where", metavar="KEY=VALUE", nargs="+", action="extend",
        help="only cells with these values; several of one key mean any of them; prompt and seed "
        "take pictures, 'prompt=*circle*' by pattern",
    )  # fmt: skip
    made.add_argument(
        "--voter", metavar="NAME", help="who votes (default: the page asks for a name)"
    )
    made.add_argument(
        "--question", metavar="TEXT",
        help="what is asked; each question has votes of its own (default: which picture is better)",
    )  # fmt: skip
    made.add_argument(
        "--limit", type=int, metavar="N",
        help="how many pairs (default: all); the first N are the same for everyone",
    )  # fmt: skip
    made.add_argument("--port", type=int, default=0, help="of the page (default: a free one)")
    made.add_argument("--open", action="store_true", help="in a browser")
    return made
