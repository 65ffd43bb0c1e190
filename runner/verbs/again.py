"""`kandinsky again`: runs what made a picture, with what is said changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.excluding import is_said
from runner.config.overrides import assigned
from runner.errors import ConfigError
from runner.verbs import run
from runner.verbs.agree import add_yes, agree_if
from runner.verbs.parser import VerbParser


def main(arguments: list[str]) -> int:
    """A run or sweep as by `kandinsky run`, whose overrides say all that the record says."""
    options, said = parser().parse_known_args(arguments)
    # Imported here, as they import numpy and Hydra.
    from runner.config.hydra.single import compose_one
    from runner.config.overrides import overrides_of
    from runner.config.resolve import resolve_record
    from runner.runs.find import find_record
    from runner.runs.rerun import asks_for, what_is_drawn

    record = find_record(options.run, options.output_dir.absolute())
    config, taken = what_is_drawn(record, _keys(said))
    print(*(f"{line}\n" for line in taken), sep="", end="", file=sys.stderr)
    asked = list(asks_for(resolve_record(config), record.images))
    if asked and not agree_if(options.yes)(asked):
        problem = f"takes more than a small run on what is on this disk: {'; '.join(asked)}"
        raise ConfigError("run", options.run, problem, "--yes, to agree with that")
    if (measured := record.config.get("metrics")) and _unsaid(["metrics"], said):
        print(f"not measured, unless that is said: metrics=[{','.join(measured)}]", file=sys.stderr)
    changed = dict(_changed(config, compose_one([]).composed))
    return run.main([*_unsaid(overrides_of(changed), said), *said])


def _changed(
    config: Mapping[str, Any], default: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Keys of the record, with dots, whose values are not the default ones."""
    for key, value in config.items():
        usual = default.get(key)
        if isinstance(value, Mapping) and isinstance(usual, Mapping):
            yield from _changed(value, usual, f"{prefix}{key}.")
        elif value != usual:
            yield f"{prefix}{key}", value


def _unsaid(overrides: Sequence[str], said: Iterable[str]) -> list[str]:
    """The overrides but those of keys, and of options of groups, that are said, or that exclude
    what is said.
    """
    pairs, keys = _assigned(said), _keys(said)
    recorded = {**assigned(overrides), **pairs}
    task = recorded.get("task", recorded.get("task.name", "")).strip("'")
    return [text for text in overrides if not is_said(text.partition("=")[0], keys, task)]


def _assigned(said: Iterable[str]) -> dict[str, str]:
    return assigned(text.lstrip("+~") for text in said)


def _keys(said: Iterable[str]) -> set[str]:
    """The keys that are said, also those of several together."""
    return {part.strip().partition("@")[0] for key in _assigned(said) for part in key.split(",")}


def parser() -> VerbParser:
    """The argument parser."""
    made = VerbParser(
        prog="kandinsky again",
        hands_on=True,
        usage="kandinsky again RUN [KEY=VALUE ...] [--yes]",
        description="Run what made a picture once more, from its kept input pictures, with the "
        "keys that are said changed: kandinsky again picture.png seeds=[7] scheduler=ddpm. "
        "-m sweeps, as everywhere.",
    )
    made.add_argument(
        "run", help="a picture of a run, its folder, its manifest.json, or the id of a run"
    )
    made.add_argument(
        "--output-dir", default="outputs", type=Path, metavar="FOLDER",
        help="where ids are looked for (%(default)s)",
    )  # fmt: skip
    add_yes(made)
    return made
