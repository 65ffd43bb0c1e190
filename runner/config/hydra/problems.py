"""Turns errors of Hydra and OmegaConf into one message with the key and what is allowed."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator

from hydra.errors import OverrideParseException

from runner.catalog.unoffered_schedulers import UNOFFERED
from runner.config.files import config_dir
from runner.config.hydra.arguments import PAIRS
from runner.config.hydra.meaning import value_meant
from runner.config.texts import text_problem
from runner.config.words import ALL_KEYS, in_plain_words, no_such_key, takes_of, wrong_value
from runner.errors import ConfigError, RunnerError
from runner.system.credentials import strip_credentials
from runner.system.machine import check_installed
from runner.system.text import with_near

NO_OPTION = re.compile(r"Could not (?:find|load) '(?P<group>hydra/\w+|.+?)/(?P<option>.*)'")
NO_KEY = re.compile(r"Could not override '(?P<key>[^']+)'")
KEY_NOT_IN = re.compile(r"Key '(?P<key>[^']+)' not in '\w+'")
BAD_VALUE = re.compile(r"Error merging override (?P<key>[^=\n]+)=(?P<value>.*)")
SEVERAL = re.compile(r"Ambiguous value for argument '(?P<key>[^=]+)=(?P<value>.*)'\n")
TWICE = re.compile(
    r"Multiple values for (?P<group>\S+)\. To override a value use 'override \S+: (?P<option>.*)'"
)
NOTHING_TO_DELETE = re.compile(r"Could not delete from config\. '(?P<key>[^']+)' does not exist")
NO_DELETION = re.compile(r"does not support deletion\s+full_key: (?P<key>\S+)")
MANY = re.compile(r"Sweep parameters '(?P<key>[^=]+)=(?P<value>.*)' requires --multirun")
NO_FOLDER = re.compile(r"Additional config directory '(?P<folder>.*)' not found")
OF_VALUE = re.compile(r"(?:Value|Invalid value|Incompatible value) '(?P<value>.*?)'")
FULL_KEY = re.compile(r"full_key: (?P<key>\S+)")
NO_ENTRY = re.compile(
    r"dict is not a subclass of \w+\. value: \{\}\s+full_key: (?P<list>[\w.]+)\[(?P<number>\d+)\]"
)
OPTIONS = re.compile(r"Available options in '[^']*':\n(?P<options>(?:\t\S.*\n?)+)")
NOISE = re.compile(
    r"\s*(full_key|object_type|reference_type)\b.*|.*HYDRA_FULL_ERROR.*"
    r"|In '.*': \w+ raised while composing config:|See https://hydra\.cc/docs/\S+ for details"
)
PLUGINS_OF_OTHERS = {"hydra/sweeper/optuna": "optuna"}
"""Options of Hydra that packages of others bring, which an extra installs."""
WITHOUT_PACKAGE = "begins without the line '# @package _global_', so its keys are not the run's"


def config_problem(error: Exception) -> str:
    """The message of an error while composing, without tracebacks and Hydra's internals."""
    if isinstance(error, RunnerError):
        return str(error)  # what caused it is told in it
    if isinstance(error, OverrideParseException):
        return _unreadable_override(error)
    if isinstance(error, UnicodeDecodeError):
        before = error.object[: error.start].decode(errors="replace").splitlines() or [""]
        reason = f"{error.reason} after {before[-1]!r}"
        return f"{_file_being_read(error)} is not UTF-8 text: {reason}"
    text = "\n".join(_chain(error))
    if match := NO_FOLDER.search(text):
        return str(ConfigError("--config-dir", match["folder"], "there is no such folder"))
    if match := NO_OPTION.search(text):
        return _no_option(match["group"], match["option"], text)
    if match := TWICE.search(text):
        group, option = match["group"], match["option"]
        said = f"{_where(text)}{group} is chosen already by the defaults before it"
        return f"{said}\n  allowed: - override /{group}: {option}"
    if match := MANY.search(text):
        key, value = match["key"].lstrip("+"), match["value"]
        ways = ["one value", "-m, a cell for each"]
        return str(ConfigError(key, value, "is several values, and this is one run", ways))
    if match := SEVERAL.search(text):
        key, value = match["key"].lstrip("+"), match["value"]
        return _several_values(key, strip_credentials(value) if key == "tracking.uri" else value)
    if match := NOTHING_TO_DELETE.search(text):
        return _no_key(f"~{match['key']}")
    if match := NO_DELETION.search(text):
        key = match["key"]
        return f"~{key}: a key cannot be taken out\n  allowed: {key}=...: {takes_of(key)}"
    if match := BAD_VALUE.search(text):
        said = text.replace(match[0], "")
        return str(_wrong_value(match["key"].lstrip("+"), match["value"], said))
    if f"{PAIRS}'" in text:
        return "several keys with one value each, as in a,b=[1,2],[3,4], need hydra/sweeper=cells"
    if match := NO_KEY.search(text):
        key, inner = match["key"], KEY_NOT_IN.search(text)
        if inner is not None and inner["key"] != key.rpartition(".")[2]:
            return f"{key}: {inner['key']} is no key of it\n  what it takes: kandinsky keys {key}"
        return _no_key(key)
    if KEY_NOT_IN.search(text) and (full := FULL_KEY.search(text)):
        if f"{full['key']}/" in _where(text):
            return f"{_where(text)}{WITHOUT_PACKAGE}"
        return f"{_where(text)}{_no_key(full['key'])}"
    named = FULL_KEY.search(text)
    if named and (value := OF_VALUE.search(text)):
        return f"{_where(text)}{wrong_value(named['key'], value['value'], _lines(text))}"
    key = f"{named['key']}: " if named else ""
    return f"{_where(text)}{key}{_lines(text) or type(error).__name__}"


def _file_being_read(error: UnicodeDecodeError) -> str:
    # Python's error does not name the file, nor does Hydra: its reader has the name in a local.
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "full_path" in frame.f_locals:
            return f"config file {frame.f_locals['full_path']}"
    return "a config file"


def _no_option(group: str, option: str, text: str) -> str:
    listed = OPTIONS.search(text)
    options = listed["options"].split() if listed else _options_here(group)
    if package := PLUGINS_OF_OTHERS.get(f"{group}/{option}"):
        try:
            check_installed(group, option, (package,), f"one of {', '.join(options)}")
        except ConfigError as error:
            return str(error)
    problem = with_near("no such option", option, options)
    if group == "scheduler" and option in UNOFFERED:
        problem = f"is not offered: {UNOFFERED[option]}"
    if group == "weights":
        options.append("the path of a folder")
        if "/" in option:
            problem = "there is no such folder"
    return str(ConfigError(group, option, problem, options))


def _options_here(group: str) -> list[str]:
    """The options of a group: for several choices at once Hydra does not list them."""
    return sorted(file.stem for file in config_dir().glob(f"{group}/*.yaml"))


def _unreadable_override(error: OverrideParseException) -> str:
    # The key alone: a value that cannot be read may hold a password.
    key, _, value = error.override.partition("=")
    if (problem := text_problem(error.override)) is not None:
        return f"{key}: {problem}"
    # Lines of the parser's message, but not those that repeat the override: it may hold a password.
    said = [line for line in error.message.splitlines() if error.override not in line]
    reason = _lines("\n".join(line for line in said if line.strip(" ^"))) or "not in quotes"
    advice = f"a text goes in quotes: {key}='\"...\"'" if value else "key=value"
    return f"{key or repr(error.override)}: cannot be read: {reason}\n  allowed: {advice}"


def _several_values(key: str, value: str) -> str:
    ways = (
        f"""one text in inner quotes: '{key}="{value}"'; a list: '{key}=[{value}]'; a sweep: -m"""
    )
    takes, group = takes_of(key), key.lstrip("+~").partition("@")[0]
    if (config_dir() / group).is_dir():
        ways = f"one of them; a sweep: -m {key}={value}"
    elif takes and not any(word in takes for word in ("text", "path", "list", "name")):
        ways = f"{takes}; a sweep: -m {key}={value}"
    return str(ConfigError(key, value, "a comma separates the values of a sweep", ways))


def _wrong_value(key: str, value: str, text: str) -> ConfigError:
    """The error of an override whose value cannot be set, by OmegaConf's message on it."""
    inner, wrong = FULL_KEY.search(text), OF_VALUE.search(text)
    if inner is not None and (entry := NO_ENTRY.search(text)):
        name = entry["list"]
        allowed = f"one of those in {name}=[...], {takes_of(name)}"
        return ConfigError(key, value, f"{name} has no entry {entry['number']}", allowed)
    if inner is not None and wrong is not None and value.startswith("["):
        for number, one in enumerate(value_meant(value)):
            if isinstance(one, dict) and str(one.get(inner["key"])) == wrong["value"]:
                own = f"{key}[{number}].{inner['key']}"
                return wrong_value(own, one[inner["key"]], _lines(text))
    return wrong_value(key, value, _lines(text))


def _no_key(key: str) -> str:
    return f"{key}: {no_such_key(key.lstrip('~'))}\n  allowed: {ALL_KEYS}"


def _where(text: str) -> str:
    match = re.search(r"In '([^']+)'", text)
    return f"conf file {match[1]}: " if match else ""


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        error = error.__cause__


def _lines(text: str) -> str:
    """The distinct lines without noise, indented below the first."""
    kept = dict.fromkeys(
        line.strip() for line in text.splitlines() if line.strip() and not NOISE.fullmatch(line)
    )
    return "\n  ".join(map(in_plain_words, kept))
