"""Wording of config errors: for OmegaConf's messages, and for unknown keys."""

from __future__ import annotations

import difflib
import re

from runner.config.keys import schema_keys
from runner.config.schema import Config
from runner.errors import ConfigError
from runner.system.text import with_near

ALL_KEYS = "those that `kandinsky keys` lists"
NOTHING_TO_READ = "there is no key"
ANOTHER_KIND = "is a list or a mapping, which is not taken"
NONE_OF_THEM = "is none of its values"
NUMBER = re.compile(r"\.\d+\.|\[\d+\]\.")
"""Of an entry of a list, within a key: `lora.0.weight`, `lora[0].weight`."""
PHRASES = (
    (r"Value '.*' of type '\w+' could not be converted to Integer", "is no whole number"),
    (r"Value '.*' of type '\w+' could not be converted to Float", "is no number"),
    (r"Invalid value '.*', expected one of \[.*\]", NONE_OF_THEM),
    (r"Cannot merge DictConfig with ListConfig", ANOTHER_KIND),
    (r"Cannot convert '.*' to string: .*", "is no text"),
    (r"Interpolation key '(.*)' not found", rf"{NOTHING_TO_READ} \1, which ${{\1}} is to read"),
    (r"Invalid value assigned: \w+ is not a ListConfig, list or tuple\.", "is no list like [1,2]"),
    (r"Value ('.*') is not a valid bool \(type \w+\)", r"\1 is neither on nor off (true, false)"),
    (r"field '[\w.\[\]]+' is not Optional", "cannot be null"),
    (r"Incompatible value 'None' for field of type '\w+'", "cannot be null"),
    (
        r"[\w ]+: \w+ is not a subclass of MetricConfig\. value: .*",
        "cannot be added so: write <folder>/metrics/<name>.yaml, and choose it with "
        "--config-dir=<folder> metrics=[<name>]",
    ),
    (
        r"[\w ]+: \w+ is not a subclass of (\w+)Config\. value: (.*)",
        r"\2 is no section of keys (\1): set its keys one by one",
    ),
    (r"[\w ]+: \w+ is not a subclass of (\w+)\. value: (.*)", r"\2 is no \1"),
)
"""OmegaConf's phrases on its classes, each with its rewording."""


def in_plain_words(problem: str) -> str:
    """Rewrite an OmegaConf message without the names of its classes."""
    for pattern, words in PHRASES:
        problem = re.sub(f"^{pattern}", words, problem)
    return problem


def wrong_value(key: str, value: object, said: str) -> ConfigError:
    """The error of a value that a key does not take.

    Args:
        said: OmegaConf's message.
    """
    problem = in_plain_words(said)
    if problem.startswith(NOTHING_TO_READ):
        return ConfigError(key, value, problem, r"the name of a key; \${...} for the text itself")
    allowed = takes_of(key)
    if problem == NONE_OF_THEM:
        problem = with_near(problem, value, allowed.removesuffix(", or null").split(", "))
    return ConfigError(key, value, problem, allowed or None)


def takes_of(key: str) -> str:
    """What a key takes, in words; of a section its keys; "": there is no such key."""
    # Imported here: it reads the files of all options.
    from runner.config.reference import keys

    known = {own.name: own.takes for own in keys()}
    if takes := known.get(NUMBER.sub("[n].", key.lstrip("+"))):
        return takes
    return ", ".join(own for own in known if own.startswith(f"{key}.") and "[" not in own)


def no_such_key(key: str) -> str:
    """The end of an error sentence about a key that is not in the schema."""
    known = list(schema_keys(Config))
    section, _, name = key.rpartition(".")
    # `prior.steps` is prior.num_inference_steps, though other keys are closer in spelling.
    named = [
        k for k in known if k.startswith(f"{section}.") and name in k.split(".")[-1].split("_")
    ]
    alike = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
    near = list(dict.fromkeys([*named, *alike]))[:3]
    return f"no such key (near: {', '.join(near)})" if near else "no such key"
