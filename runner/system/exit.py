"""Turns errors into messages and exit statuses; the only place that does."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from runner.errors import Interrupted, RunnerError

NO_MEMORY = (
    "the machine's memory does not suffice (or the limit of this process, see ulimit -v); what was "
    "made is kept: fewer workers, a smaller size or batch_size help"
)


def report_errors(action: Callable[[], int], debug: bool = False) -> int:
    """Run an action; a RunnerError becomes a message and an exit status."""
    try:
        return action()
    except RunnerError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except MemoryError:
        if debug:
            traceback.print_exc()
        print(f"error: {NO_MEMORY}", file=sys.stderr)
        return 1
    except Interrupted as error:
        print(f"\n{error}; what was made is kept", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output is gone (`... | head`); nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
