"""Overrides as users type them, made ready for Hydra's parser.

Its grammar has no letters beyond ASCII and few punctuation marks, so texts are put in quotes where
it cannot read them. What is chosen of a group has to be a name: Hydra checks that after parsing,
with an exception that names no key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Override, OverrideType
from hydra.errors import HydraException

from runner.config.files import config_dir
from runner.config.hydra.meaning import PARSER
from runner.config.keeping import with_own_key
from runner.config.overrides import quoted
from runner.errors import ConfigError

TEXTS = ("prompt", "negative_prompt", "question")
TEXT = re.compile(rf"(?P<key>\+{{0,2}}({'|'.join(TEXTS)}))=(?P<value>.*)", re.DOTALL)
AS_TEXT = re.compile(r"(?P<key>\+{0,2}(axes|prompt_template|baseline))=(?P<value>.*)", re.DOTALL)
TOGETHER = re.compile(r"[A-Za-z_][\w./@]*(\s*,\s*[A-Za-z_][\w./@]*)+=.*", re.DOTALL)
"""Several keys that change together: `height,width=[64,128],[128,64]`."""
SEEDS = re.compile(r"(?P<key>\+{0,2}seeds)=(?P<value>.*)")
OUTSIDE = re.compile(r",(?![^()]*\))(?![^\[\]]*\])")
"""A comma that is in no brackets."""
SEED_FUNCTION = re.compile(r"\s*(?:range|random)\([^()]*\)\s*")
COUNT = re.compile(r"\s*\d+\s*")
GROUPS_OF_SEVERAL = ("metrics", "experiment")
"""Groups of which several options are taken together."""
PAIRS = "hydra.sweeper.together"
"""Where Hydra carries these arguments to the sweeper: they are none of its own grammar."""
CHOICE = re.compile(r"[~+]{0,2}(?P<group>[\w/]+)(@[\w.]*)?=.*", re.DOTALL)
OF_ENTRY = re.compile(r"\+{0,2}(?P<list>lora|seeds|interpolate\.items)\.(?P<entry>\w+)[.=]")
"""A key of an entry of a list."""
MEANT_FOR_HYDRA = re.compile(r"""\s*(["'\[{]|\w+\()|.*\$\{""", re.DOTALL)
"""Quoted texts, lists, mappings, functions of its grammar; interpolations."""


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments, with texts in quotes where Hydra cannot read them.

    A comma separates values of a sweep here, too.

    Raises:
        ConfigError: what is chosen of a group is no name, such as `scheduler=null`; or an entry of
            a list has no number.
    """
    for argument in arguments:
        if argument.startswith("="):
            raise ConfigError("override", repr(argument), "names no key", "key=value")
    prepared = [
        _as_text(with_seeds(_readable(with_own_key(argument))))
        for argument in arguments
        if not is_together(argument)
    ]
    if several := [quoted(argument) for argument in arguments if is_together(argument)]:
        prepared.append(f"{PAIRS}=[{','.join(several)}]")
    for argument in prepared:
        found = CHOICE.fullmatch(argument)
        if found is not None and (config_dir() / found["group"]).is_dir():
            try:
                override = PARSER.parse_override(argument)
            except HydraException:
                continue  # reported where it is composed
            check_choice(override)
    return behind_lists(prepared)


def behind_lists(overrides: Sequence[str]) -> list[str]:
    """The overrides, in their order; but those of an entry (`lora.0.weight=1`) stand behind that of
    the list itself, which would take them back.

    Raises:
        ConfigError: an entry has no number.
    """
    found = list(overrides)
    for text in reversed(overrides):  # so that several keep their order
        match = OF_ENTRY.match(text)
        if match is None:
            continue
        if not match["entry"].isdecimal():
            key, _, value = text.partition("=")
            problem = f"{match['list']} is a list, and {match['entry']!r} is no number of an entry"
            raise ConfigError(key, value, problem, f"{match['list']}.0, {match['list']}.1, ...")
        own, here = f"{match['list']}=", found.index(text)
        places = [n for n, one in enumerate(found) if one.lstrip("+").startswith(own)]
        if places and places[-1] > here:
            found.insert(places[-1], found.pop(here))
    return found


def is_together(argument: str) -> bool:
    """Whether it sets several keys that change together."""
    return TOGETHER.fullmatch(argument) is not None


def _as_text(argument: str) -> str:
    """The argument; `axes` as a text, which is YAML as in a file, and not Hydra's grammar; so a
    template, whose braces and commas are its own, and the overrides of a baseline.
    """
    found = AS_TEXT.fullmatch(argument)
    if found is None or found["value"].strip() == "null" or found["value"][:1] in ("'", '"'):
        return argument
    if found["value"][:1] == "[" and "axes" not in found["key"]:
        return argument  # a list of templates, or of overrides
    return f"{found['key']}={quoted(found['value'])}"


def with_seeds(argument: str) -> str:
    """The argument; where it says seeds by a function, with that as text: `seeds=range(0,8)` are
    eight seeds of one cell, as in a config file.
    """
    found = SEEDS.fullmatch(argument)
    if found is None:
        return argument
    values = OUTSIDE.split(found["value"])
    if len(values) > 1:
        check_no_counts(values, found["value"])
    functions = [
        quoted(value.strip()) if SEED_FUNCTION.fullmatch(value) else value for value in values
    ]
    return f"{found['key']}={','.join(functions)}"


def check_no_counts(values: Sequence[str], written: str) -> None:
    """Raise ConfigError where one of several values of `seeds` is a bare number: `1,2` may be
    meant as seeds, and is read as numbers of seeds.
    """
    if any(map(COUNT.fullmatch, values)):
        listed = ",".join(values)
        raise ConfigError(
            "seeds", written, "may be meant as seeds or as numbers of seeds",
            f"seeds=[{listed}]; with -m a list for each cell: seeds=[0,1],[2,3]",
        )  # fmt: skip


def check_choice(override: Override) -> None:
    """Raise ConfigError where an override chooses what is no name of a group's option, or several
    of a group that takes one: Hydra would take the last.
    """
    group = override.key_or_group
    if isinstance(override.value(), dict):
        return
    for value in _chosen(override):
        deletes_any = value is None and override.type is OverrideType.DEL
        if not isinstance(value, str) and not deletes_any:
            shown = str(value).lower() if isinstance(value, bool) else value
            raise ConfigError(group, shown, "is no name of an option", allowed_options(group))
    if isinstance(override.value(), list) and group not in GROUPS_OF_SEVERAL:
        shown = str(override.input_line).partition("=")[2]
        ways = f"one of {allowed_options(group)}; a sweep: -m {group}={shown.strip('[]')}"
        raise ConfigError(group, shown, "is a list, of which one would be taken", ways)


@cache
def one_value(override: str) -> str:
    """A cell's override, with its value in quotes where it can be read only so: other sweepers than
    the runner's hand texts on without theirs.
    """
    key, equals, value = override.partition("=")
    try:
        parsed = PARSER.parse_override(override)
    except HydraException:
        return f"{key}={quoted(value)}" if equals else override
    is_text = key.lstrip("+") in TEXTS and not isinstance(parsed.value(), list | str | None)
    return f"{key}={quoted(value)}" if parsed.is_sweep_override() or is_text else override


def flags_of(hydra_config: Any) -> tuple[str, ...]:
    """The arguments that say where else configs are: without them a command finds other ones.

    Args:
        hydra_config: the node `hydra` of a composed config.
    """
    sources = hydra_config.runtime.config_sources
    given = [str(own.path) for own in sources if own.provider == "command-line"]
    paths = [text for text in hydra_config.overrides.hydra if text.startswith("hydra.searchpath=")]
    return (*(part for path in given for part in ("--config-dir", path)), *paths)


def allowed_options(group: str) -> str:
    """The options of a group, for messages."""
    names = sorted(file.stem for file in (config_dir() / group).glob("*.yaml"))
    if group == "weights":
        names.append("the path of a folder")
    if group == "experiment":
        names.append("or without it, for none of them")
    return ", ".join(names)


def _chosen(override: Override) -> Iterator[Any]:
    value: Any = override.value()
    if isinstance(value, ChoiceSweep):
        value = value.list
    elif override.is_sweep_override():
        return  # a pattern of names; or a range, whose numbers are told one by one
    for one in value if isinstance(value, list) else [value]:
        yield from one if isinstance(one, list) else [one]


def _readable(argument: str) -> str:
    found = TEXT.fullmatch(argument)
    if found is None or MEANT_FOR_HYDRA.match(found["value"]):
        return argument
    try:
        PARSER.parse_override(argument)
    except HydraException:
        parts = found["value"].split(",")
        if len(parts) > 1 and ({"'", '"'} & set(argument) or not all(map(str.strip, parts))):
            return argument  # whether a comma separates is for the user to say
        return f"{found['key']}={','.join(quoted(part.strip()) for part in parts)}"
    return argument
