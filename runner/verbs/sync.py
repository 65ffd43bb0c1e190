"""`kandinsky sync`: deliver the records that a tracking server did not take yet."""

from __future__ import annotations

import sys

from runner.tracking.delivery import prepare_environment
from runner.tracking.places import absolute_uri, remember_place
from runner.tracking.remains import clear_remains
from runner.tracking.spool import spools
from runner.tracking.writer import deliver_left_behind
from runner.verbs.folders import add_output_dir
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """Deliver all spools whose run is over. Exit status 1 if one could not be delivered."""
    parser = VerbParser(prog="kandinsky sync", description=__doc__)
    add_output_dir(parser)
    parser.add_argument(
        "--to", metavar="URI",
        help="a tracking URI that you trust, where no command of yours on this machine named it",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    output_dir = options.output_dir.absolute()
    if options.to:
        remember_place(absolute_uri(options.to))
    clear_remains(output_dir)
    waiting = {spool.name for spool in spools(output_dir)}
    if not waiting:
        print("nothing to deliver")
        return 0
    prepare_environment()
    problems = deliver_left_behind(output_dir)
    left = {spool.name for spool in spools(output_dir)}
    print(f"{len(waiting - left)} of {len(waiting)} runs delivered")
    for run_id in sorted(left):
        reason = problems.get(run_id, "its run or another delivery is still going on")
        print(f"  {run_id}: {reason}", file=sys.stderr)
    return 1 if problems else 0
