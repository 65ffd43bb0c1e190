"""What a command that joins a sweep leaves unsaid, for `run` and `plan`."""

from __future__ import annotations

import sys

from runner.system.text import shell


def joining(arguments: list[str]) -> list[str]:
    """The arguments of a command that joins a sweep, with what it leaves unsaid of that."""
    if not any(argument.startswith("into=") for argument in arguments):
        return arguments
    # Imported here, as only these commands need it.
    from runner.runs.unsaid import with_unsaid

    found, taken = with_unsaid(arguments)
    if taken and "progress=quiet" not in arguments:
        print(f"as in the sweep: {shell(taken)}", file=sys.stderr)
    return found
