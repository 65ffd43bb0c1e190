"""Formats counts, paths, commands and configs for people to read and type."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

IN_DOUBLE_QUOTES = re.compile(r"""[^"$`\\!\n]*""")
"""A text that a shell reads as it is there."""


def pluralize(count: int, noun: str) -> str:
    """1 image, 2 images."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def path_here(path: Path) -> str:
    """A path, relative to the working directory where it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def command(*arguments: str) -> str:
    """A command of this installation: `kandinsky ...` where the shell finds it."""
    script = Path(sys.executable).with_name("kandinsky")
    found = shutil.which("kandinsky")
    if found is not None and Path(found).absolute() == script:
        program = ["kandinsky"]
    elif script.exists():
        program = [path_here(script)]
    else:
        program = [path_here(Path(sys.executable)), "-m", "runner"]
    return shell([*program, *arguments])


def flatten(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """{"a": {"b": 1}} -> {"a.b": "1"}; lists and null as JSON. Empty mappings are left out."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{before}{name}."))
        else:
            flat[f"{before}{name}"] = (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            )
    return flat


LABEL_LENGTH = 72


def shorten(text: str) -> str:
    """Shorten a text to one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= LABEL_LENGTH else f"{line[:LABEL_LENGTH]}…"


def for_outputs(verb: str, output_dir: Path) -> str:
    """The command of a verb, with the output folder unless it is the default."""
    default = output_dir == Path("outputs").absolute()
    return command(verb) if default else command(verb, path_here(output_dir))


def duration(seconds: float) -> str:
    """1.2 s, 3 min, 2.5 h."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def exact(number: float) -> str:
    """A number with all digits that tell it from others: 1, 0.1, 0.49543508709194095."""
    return repr(float(number)).removesuffix(".0")


def format_bytes(number: int) -> str:
    """5.3 GB, 271 MB, 12 kB: powers of ten, as the hub shows sizes."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if number >= size:
            return f"{number / size:.{1 if number < 10 * size else 0}f} {unit}"
    return f"{number / 1000:.0f} kB"


def shell(arguments: Iterable[str]) -> str:
    """A command as it is typed in a POSIX shell: a word with single quotes in it stands in double
    ones, which read better than `'"'"'`.
    """
    return " ".join(
        f'"{one}"' if "'" in one and IN_DOUBLE_QUOTES.fullmatch(one) else shlex.quote(one)
        for one in arguments
    )


def with_near(problem: str, name: object, known: Iterable[str]) -> str:
    """A problem with a name, followed by up to three names that are alike: what may be meant."""
    # A word in capitals, or with _ for -, is meant so.
    written = {own.lower().replace("-", "_"): own for own in known}
    asked = str(name).lower().replace("-", "_")
    near = difflib.get_close_matches(asked, written, n=3, cutoff=0.6)
    return f"{problem} (near: {', '.join(written[own] for own in near)})" if near else problem
