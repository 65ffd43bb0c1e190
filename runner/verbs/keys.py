"""`kandinsky keys`: every key and option of the config, what it means and what it may be."""

from __future__ import annotations

import difflib
import shutil
import textwrap
from collections.abc import Collection, Iterable, Iterator

from runner.config.reference import Key, Option, groups, keys
from runner.errors import ConfigError
from runner.verbs.parser import VerbParser

WIDEST = 100
INTRODUCTION = """# Configuration

`kandinsky keys --markdown` prints this page, and `kandinsky keys WORD` a part of it in a terminal.
A group is set by one of its options (`scheduler=ddpm`), a key by a value
(`decoder.guidance_scale=6`). A comma separates the values of a sweep, so a text with commas goes in
inner quotes: `'prompt="a red circle, seen from above"'`. `kandinsky --cfg job` shows a whole config
as it will be used. `experiment=<name>` sets many keys at once: see [studies](studies.md).
"""


def main(arguments: list[str]) -> int:
    """Print the reference, or the part of it that the words name. Loads nothing.

    Raises:
        ConfigError: a word that is in no key.
    """
    parser = VerbParser(prog="kandinsky keys", description=__doc__)
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="a group, a key or a part of one (default: all)"
    )
    parser.add_argument("--markdown", action="store_true", help="print docs/configuration.md")
    asked = parser.parse_args(arguments)
    print(markdown() if asked.markdown else for_terminal(asked.words))
    return 0


def for_terminal(words: Collection[str] = ()) -> str:
    """The keys that the words name, and the options of groups among them; all without words."""
    known, options = list(keys()), groups()
    shown = {key.name for word in words for key in _named(word, known)}
    lines: list[str] = []
    for key in known:
        if words and key.name not in shown:
            continue
        lines += _key_lines(key)
        lines += [line for option in options.get(key.name, ()) for line in _option_lines(option)]
    return "\n".join(lines)


def markdown() -> str:
    """docs/configuration.md, without its last line end."""
    known, options = list(keys()), groups()
    own = [key for key in known if key.group not in options]
    parts = [INTRODUCTION, "## Keys of a run\n", _table(own)]
    for name, choices in options.items():
        (group,) = (key for key in known if key.name == name)
        inside = [key for key in known if key.group == name and key is not group]
        listed = [f"- `{name}={option.name}`: {option.explanation}" for option in choices]
        parts += ["", f"## {name}\n", f"{group.explanation}\n", *listed, "", _table(inside)]
    return "\n".join(parts)


def _named(word: str, known: list[Key]) -> list[Key]:
    """A key and those below it; else all keys with the word in their name."""
    exact = [key for key in known if key.name == word or key.name.startswith(f"{word}.")]
    found = exact or [key for key in known if word in key.name]
    if not found:
        near = difflib.get_close_matches(word, [key.name for key in known], n=3, cutoff=0.5)
        raise ConfigError("keys", word, "is in no key", near or "kandinsky keys lists all")
    return found


def _key_lines(key: Key) -> Iterator[str]:
    default = _default(key)
    yield f"{key.name}  [{default}]" if default else key.name
    yield from _wrapped(f"{key.explanation}{_only_with(key)}")
    if key.takes:
        yield from _wrapped(f"takes: {key.takes}")


def _option_lines(option: Option) -> Iterator[str]:
    yield from _wrapped(f"{option.group}={option.name}: {option.explanation}", further="  ")


def _wrapped(text: str, further: str = "") -> list[str]:
    width = min(shutil.get_terminal_size((WIDEST, 0)).columns, WIDEST)
    return textwrap.wrap(
        text, width, initial_indent="    ", subsequent_indent=f"    {further}",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _table(listed: Iterable[Key]) -> str:
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for key in listed:
        default = _default(key, mark="`")
        meaning = f"{key.explanation}{_only_with(key)}".replace("|", "\\|")
        rows.append(f"| `{key.name}` | {key.takes} | {default} | {meaning} |")
    return "\n".join(rows)


def _only_with(key: Key) -> str:
    options = ", ".join(f"`{option}`" for option in key.options)
    return f" For {options}." if options else ""


def _default(key: Key, mark: str = "") -> str:
    """The default in words. `mark`: put around text as written in a config."""
    if key.default.startswith("${"):
        return f"as {mark}{key.default[2:-1]}{mark}"
    return f"{mark}{key.default}{mark}" if key.default else ""
