"""Prompts from a template, and prompts with words replaced.

`a {red|blue} {circle|square}` is four prompts, as in Dynamic Prompts' combinatorial mode; replacing
is A1111's "Prompt S/R".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from runner.errors import ConfigError

KEY = "prompt_template"
REPLACE = "prompt_replace"
MOST = 200_000
ALLOWED = r"{one|another}, also in each other; \{ \| \} for the characters themselves"


def prompts_of_template(value: object) -> tuple[str, ...]:
    """The prompts of a template, or of a list of them, each once; the last braces change fastest.

    Raises:
        ConfigError: it is no text, has a brace without its other one, or means too many prompts.
    """
    texts = value if isinstance(value, list) else [value]
    found: dict[str, None] = {}
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(KEY, text, "is no text", ALLOWED)
        reader = _Reader(text)
        found |= dict.fromkeys(one.strip() for one in reader.sequence(inside=False))
        if reader.place < len(text):
            raise ConfigError(KEY, text, "has a } without its {", ALLOWED)
    return tuple(found)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def sequence(self, *, inside: bool) -> list[str]:
        """All texts up to the end of the template; inside of braces, to the next `|` or `}`."""
        parts: list[list[str]] = []
        while self.place < len(self.text):
            letter = self.text[self.place]
            if letter == "}" or (letter == "|" and inside):
                break
            if letter == "{":
                parts.append(self._alternatives())
                continue
            if letter == "\\" and self.text[self.place + 1 : self.place + 2] in tuple("{|}\\"):
                self.place += 1
                letter = self.text[self.place]
            parts.append([letter])
            self.place += 1
        count = 1
        for part in parts:
            count *= len(part)
        if count > MOST:
            raise ConfigError(KEY, self.text, f"is {count:,} prompts", f"up to {MOST:,}")
        return ["".join(one) for one in itertools.product(*parts)]

    def _alternatives(self) -> list[str]:
        found: list[str] = []
        while self.text[self.place : self.place + 1] in ("{", "|"):
            self.place += 1
            found += self.sequence(inside=True)
        if self.text[self.place : self.place + 1] != "}":
            raise ConfigError(KEY, self.text, "has a { without its }", ALLOWED)
        self.place += 1
        return found


def replaced(prompts: Sequence[str], value: object) -> tuple[str, ...]:
    """The prompts with texts in the place of others, all at the same time.

    Args:
        value: {old: new}, [old, new], or a list of such pairs.

    Raises:
        ConfigError: it is none of these, or a text to be replaced is in no prompt.
    """
    if value is None:
        return tuple(prompts)
    pairs = _pairs(value)
    for old in pairs:
        if not any(old in prompt for prompt in prompts):
            raise ConfigError(REPLACE, value, f"{old!r} is in no prompt", "words of a prompt")
    # Longer texts first: one may begin with another.
    pattern = re.compile("|".join(map(re.escape, sorted(pairs, key=len, reverse=True))))
    return tuple(pattern.sub(lambda match: pairs[match[0]], prompt) for prompt in prompts)


def replacements(words: Mapping[Any, Any]) -> list[list[Any]]:
    """What `axes` means by {circle: [square, cross], red: [red, blue]}: each combination."""
    choices = [
        [[old, new] for new in (news if isinstance(news, list) else [news])]
        for old, news in words.items()
    ]
    found = [list(one) for one in itertools.product(*choices)]
    return [one[0] if len(one) == 1 else one for one in found]


def _pairs(value: object) -> dict[str, str]:
    listed: object = list(value.items()) if isinstance(value, Mapping) else value
    if isinstance(listed, list) and len(listed) == 2 and isinstance(listed[0], str):
        listed = [listed]
    allowed = "{circle: square}, [circle, square], or a list of such pairs"
    if not isinstance(listed, list) or not listed:
        raise ConfigError(REPLACE, value, "says no texts", allowed)
    found: dict[str, str] = {}
    for pair in listed:
        is_pair = isinstance(pair, list | tuple) and len(pair) == 2
        if not is_pair or not all(isinstance(text, str) for text in pair) or not pair[0]:
            raise ConfigError(REPLACE, value, f"{pair!r} is no pair of texts", allowed)
        found[pair[0]] = pair[1]
    return found
