"""`kandinsky <verb> ...`: chooses the verb and reports its errors."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from runner import __version__
from runner.system import garbage
from runner.system.exit import report_errors
from runner.system.terminal import out_status, printing
from runner.system.text import with_near

VERBS = {
    "run": "make images (the default verb)",
    "plan": "show what would be done; loads nothing",
    "download": "fetch the weights that a config or a sweep needs",
    "convert": "make diffusers folders of the published files of Kandinsky 2.0",
    "keys": "every key and option of the config, and what it means",
    "models": "versions, tasks, repositories, and what is on disk",
    "doctor": "what works on this machine",
    "reproduce": "run a recorded run once more, and compare the pixels",
    "again": "run what made a picture once more, with one thing changed",
    "grid": "the pictures of a run or a sweep on one labelled sheet",
    "report": "the page of a run or a sweep, for any browser: grid, table, plots",
    "view": "that page on this machine, while the sweep runs",
    "compare": "settings of a sweep against a baseline: differences, intervals, seconds",
    "vote": "let people choose between a sweep's pictures, without telling which is which",
    "table": "the pictures of sweeps and runs as one table: axes, prompt, seed, scores, file",
    "export": "the pictures of a run or a sweep as scorers of benchmarks read them",
    "sweeps": "list the sweeps and how far each came; merge, delete and rename them",
    "cache": "show, check and trim the store of stage results",
    "workers": "the processes that stay after a command (workers.keep): list and stop them",
    "ui": "open the MLflow pages of what was made",
    "sync": "deliver records that a tracking server did not take yet",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script. Returns the exit status.

    0 done; 1 something failed while it ran; 2 something the user can fix before running;
    130 or 143 stopped by Ctrl-C or SIGTERM.
    """
    # Objects of the start-up stay: collecting garbage among them takes a tenth of `plan`'s time.
    gc.set_threshold(100_000, 50, 50)
    given = list(sys.argv[1:] if arguments is None else arguments)
    with printing() as out:
        return out_status(out, _run_verb(given))


def _run_verb(given: list[str]) -> int:
    if "--version" in given:  # also behind a verb, where Hydra would tell its own
        print(f"kandinsky-runner {__version__}")
        return 0
    if _completed(given):
        return 0
    verb = given.pop(0) if given and given[0] in VERBS else "run"
    if verb == "run" and given and _is_a_word(given[0]):
        problem = with_near("no such verb", given[0], VERBS)
        print(f"error: {given[0]}: {problem}\n  allowed: {', '.join(VERBS)}", file=sys.stderr)
        return 2
    _hide_verb_from_completion()
    try:
        return report_errors(lambda: _run(verb, given))
    finally:
        # The process ends: a last search for reference cycles would be wasted.
        garbage.set_aside()


def _run(verb: str, arguments: list[str]) -> int:
    run_verb: Callable[[list[str]], int] = importlib.import_module(f"runner.verbs.{verb}").main
    return run_verb(arguments)


def _completed(given: list[str]) -> bool:
    """Complete what Hydra cannot, if the shell asks. Whether that is all."""
    line, point = os.environ.get("COMP_LINE"), os.environ.get("COMP_POINT", "")
    asked = any(argument.startswith("query=") for argument in given)
    if line is None or not point.isdigit() or not asked:
        return False
    # Imported here: only shells need it.
    from runner.verbs.completing import completions

    found, more = completions(line[: int(point)], VERBS)
    if found:
        print("\n".join(found))
    return not more


def _hide_verb_from_completion() -> None:
    """Hide the verb from Hydra's completion, which would take it for an override.

    Hydra's scripts call the program without the line's arguments: the verb is in the line alone.
    """
    line, point = os.environ.get("COMP_LINE"), os.environ.get("COMP_POINT", "")
    if line is None or not point.isdigit():
        return
    program, _, rest = line.partition(" ")
    typed = rest.split(" ", 1)[0]
    if typed in ("run", "plan", "download") and len(rest) > len(typed):
        os.environ["COMP_LINE"] = f"{program} {rest[len(typed) + 1 :]}"
        os.environ["COMP_POINT"] = str(max(int(point) - len(typed) - 1, 0))


def _is_a_word(argument: str) -> bool:
    return argument.replace("-", "").isalpha() and not argument.startswith("-")
