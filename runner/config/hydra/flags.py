"""Errors of Hydra's flags in our words: argparse would print Hydra's long usage around them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from runner.errors import ConfigError
from runner.system.text import with_near

LONG = re.compile(r"--[a-z][\w-]*")
OF_HYDRA = "Hydra"
"""The description of its parser."""


@contextmanager
def flag_errors(arguments: Sequence[str]) -> Iterator[None]:
    """Have Hydra's parser raise a ConfigError for a flag that there is not, or that takes no such
    value. Its parser is made anew by each `hydra.main`, out of reach: so argparse's is changed.
    """
    usual = argparse.ArgumentParser.error

    def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
        if parser.description != OF_HYDRA:
            usual(parser, message)
        known = LONG.findall(parser.format_usage())
        unknown = (one.partition("=")[0] for one in arguments if one.startswith("-"))
        flag = next((one for one in unknown if one not in known), "")
        if "unrecognized arguments" in message and flag:
            raise ConfigError("flag", flag, with_near("no such flag", flag, known), known)
        raise ConfigError("flags", " ".join(arguments), message, "kandinsky --help")

    argparse.ArgumentParser.error = refuse  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        argparse.ArgumentParser.error = usual  # type: ignore[method-assign]
