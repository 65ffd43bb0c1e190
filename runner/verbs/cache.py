"""`kandinsky cache`: shows the store of stage results, checks it and keeps it within bounds."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

from runner.engine.store import drop
from runner.engine.store_care import StoredEntry, damaged_entries, stored_entries, trim
from runner.errors import ConfigError
from runner.planning.planner import results_dir
from runner.system.kept_code import code_dir, kept_code, trim_code
from runner.system.text import format_bytes, pluralize
from runner.verbs.folders import add_output_dir
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """Show, verify, trim. Exit status 1 where an entry was damaged."""
    parser = VerbParser(prog="kandinsky cache", description=__doc__)
    add_output_dir(parser)
    parser.add_argument(
        "--verify", action="store_true", help="check every entry's hash; damaged ones are dropped"
    )
    parser.add_argument(
        "--trim",
        type=float,
        metavar="GB",
        help="drop what was used least recently, of results and of compiled code each",
    )
    options = parser.parse_args(arguments)
    if options.trim is not None and not 0 <= options.trim < float("inf"):
        raise ConfigError("trim", options.trim, "is no size", "0 GB or more")
    folder = results_dir(options.output_dir.absolute())
    damaged: list[Path] = []
    if options.verify:
        damaged = damaged_entries(folder)
        for entry in damaged:
            drop(entry)
            print(f"damaged, dropped: {entry.name}")
        print(
            "every entry is whole" if not damaged else f"{pluralize(len(damaged), 'entry')} dropped"
        )
    if options.trim is not None:
        done = trim(folder, round(options.trim * 1e9))
        print(f"dropped {pluralize(done.removed, 'result')}, {format_bytes(done.freed_bytes)}")
        if freed := trim_code(round(options.trim * 1e9)):
            print(f"dropped compiled code, {format_bytes(freed)}")
    print(summary(folder, stored_entries(folder)))
    if code := kept_code():
        size = format_bytes(sum(one.bytes for one in code))
        print(f"{code_dir()}: compiled code of all runs, {size}")
    return 1 if damaged else 0


def summary(folder: Path, entries: list[StoredEntry]) -> str:
    """Sizes by stage, as text for the terminal."""
    by_stage: defaultdict[str, list[StoredEntry]] = defaultdict(list)
    for entry in entries:
        by_stage[entry.stage].append(entry)
    total = format_bytes(sum(entry.bytes for entry in entries))
    lines = [f"{folder}: {pluralize(len(entries), 'result')}, {total}"]
    for stage, some in sorted(by_stage.items()):
        taken = format_bytes(sum(entry.bytes for entry in some))
        lines.append(f"  {stage:<16} {len(some):>7}  {taken:>10}")
    if entries:
        days = (time.time() - entries[0].used) / 86400
        lines.append(f"  least recently used: {days:.1f} days ago")
    return "\n".join(lines)
