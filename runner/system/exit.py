"""Turns errors into messages and exit statuses; the only place that does."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable

from runner.errors import ConfigError, Interrupted, RunnerError, format_value

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
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
            raise
        # Looking whether a file is there already fails so, also with what the user has named.
        print(f"error: {format_value(error.filename)}: {error.strerror}", file=sys.stderr)
        return ConfigError.exit_status
    except Interrupted as error:
        print(f"\n{error}; what was made is kept", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
