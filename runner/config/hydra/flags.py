"""Errors of Hydra's flags in our words: argparse would print Hydra's long usage around them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from runner.system.arguments import argument_error

LONG = re.compile(r"--[a-z][\w-]*")
OF_HYDRA = "Hydra"
"""The description of its parser."""
HELP = "kandinsky --help"


@contextmanager
def flag_errors(own: Sequence[str] = ()) -> Iterator[None]:
    """Have Hydra's parser raise a ConfigError for a flag that there is not, or that takes no such
    value. Its parser is made anew by each `hydra.main`, out of reach: so argparse's is changed.

    Args:
        own: flags of the verb, which Hydra never sees.
    """
    usual = argparse.ArgumentParser.error

    def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
        if parser.description != OF_HYDRA:
            usual(parser, message)
        known = [*own, *LONG.findall(parser.format_usage())]
        raise argument_error(message, known, lambda _: HELP, HELP)

    argparse.ArgumentParser.error = refuse  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        argparse.ArgumentParser.error = usual  # type: ignore[method-assign]
