"""`kandinsky workers`: the workers that stay on this machine after a command; have them leave.

kandinsky workers stop           all of them
kandinsky workers stop ID ...    these

One that works for a command leaves after it.
"""

from __future__ import annotations

import argparse
from datetime import datetime

from runner.errors import ConfigError
from runner.system.terminal import to_json
from runner.system.text import format_bytes, pluralize
from runner.verbs.completing import STOP
from runner.verbs.parser import VerbParser
from runner.workers.residence import Residence, Resident
from runner.workers.residence_folder import opened_residence
from runner.workers.takeover import have_leave
from runner.workers.takeover_key import code_key


def main(arguments: list[str]) -> int:
    """List them, oldest first; or stop some. Raises ConfigError where an id is none of them."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = VerbParser(prog="kandinsky workers", description=__doc__, formatter_class=raw)
    parser.add_argument("action", nargs="?", choices=[STOP], help="have workers leave")
    parser.add_argument("ids", nargs="*", metavar="ID", type=int, help="of which; else of all")
    parser.add_argument("--json", action="store_true", help="the list, for other programs")
    options = parser.parse_args(arguments)
    with opened_residence() as residence:
        if residence is None:
            if options.ids:
                raise _no_such(options.ids[0], [])
            print("[]" if options.json else NONE)
            return 0
        found = residence.residents()
        if options.action == STOP:
            _stop(residence, found, options.ids)
        elif options.json:
            print(to_json([_row(residence, one) for one in found], indent=1))
        else:
            print("\n".join(_text(_row(residence, one)) for one in found) or NONE)
    return 0


PATIENCE_SECONDS = 1.0
"""How long one that works for a command is waited for: that of a command just ended is free soon.
"""
NONE = "no workers stay; workers.keep=10m has those of a command stay after it"


def _stop(residence: Residence, found: list[Resident], ids: list[int]) -> None:
    there = {one.pid: one for one in found}
    for wanted in ids:
        if wanted not in there:
            raise _no_such(wanted, list(there))
    chosen = [there[one] for one in ids] if ids else found
    busy = {one.pid for one in have_leave(residence, chosen, PATIENCE_SECONDS)}
    left = [one.pid for one in chosen if residence.is_alive(one.pid)]
    print(f"{pluralize(len(chosen) - len(left), 'worker')} stopped")
    for one in left:
        does = "works for a command, and leaves after it" if one in busy else "does not answer"
        print(f"{one} {does}")


def _no_such(wanted: int, there: list[int]) -> ConfigError:
    allowed = ", ".join(map(str, there)) or "none: no workers stay"
    return ConfigError("id", wanted, "is none of a worker that stays", allowed)


def _row(residence: Residence, one: Resident) -> dict[str, object]:
    return {
        "id": one.pid,
        "device": one.device,
        "threads": one.threads,
        "since": _time(one.since),
        "until": _time(one.until) if one.until is not None else None,
        "busy": residence.is_busy(one.pid),
        "outdated": one.code != code_key(),
        "commands": one.commands,
        "bytes": one.bytes,
        "loaded": list(one.loaded),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(timespec="seconds")


def _text(row: dict[str, object]) -> str:
    held, until, loaded = row["bytes"], row["until"], row["loaded"]
    assert isinstance(loaded, list)
    state = "works for a command" if row["busy"] or until is None else f"leaves at {until}"
    if row["outdated"]:
        state = "is outdated: the next command has it leave"
    size = f", {format_bytes(held)}" if isinstance(held, int) else ""
    threads, commands = row["threads"], row["commands"]
    assert isinstance(threads, int)
    assert isinstance(commands, int)
    return (
        f"{row['id']:<8} {row['device']}, {pluralize(threads, 'thread')}{size}; since "
        f"{row['since']}, {pluralize(commands, 'command')}; {state}"
        + (f"\n         {', '.join(loaded)}" if loaded else "")
    )
