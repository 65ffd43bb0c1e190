"""Reads prompts from the config or from a prompt file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.catalog.tasks import Task
from runner.config.prompt_files import read_prompt_file
from runner.config.schema import Config
from runner.config.templates import prompts_of_template, replaced
from runner.config.texts import text_problem
from runner.errors import ConfigError, format_value

MOST_IMAGES = 200_000
"""Of one cell. Each takes 0.2 ms and 5 kB to plan, so a slip of a file is told within seconds."""


def prompts_of_config(config: Config, task: Task) -> tuple[str, ...]:
    """The prompts of a cell, wherever its config says them, with words replaced.

    Raises:
        ConfigError: two keys say them, or what they say is no prompt.
    """
    if task.mixes and config.prompt is config.prompt_file is config.prompt_template is None:
        return ("",)
    others = {key: getattr(config, key) for key in ("prompt_file", "prompt_template")}
    given = {key: value for key, value in others.items() if value is not None}
    if config.prompt not in (None, config.task.prompt):
        given = {**given, "prompt": config.prompt}
    if len(given) > 1:
        one, other = list(given)[:2]
        raise ConfigError(
            other, given[other], f"{one}={format_value(given[one])} is set too",
            f"one of both: {other}=null, or {one}=null",
        )  # fmt: skip
    if config.prompt_template is not None:
        prompt: object = list(prompts_of_template(config.prompt_template))
    else:
        prompt = config.prompt
    return replaced(prompts_of(prompt, config.prompt_file), config.prompt_replace)


def prompts_of(prompt: object, prompt_file: str | None) -> tuple[str, ...]:
    """The prompts of a cell. A prompt file, if given, replaces `prompt`.

    Raises:
        ConfigError: a prompt that is empty or not a text, or a file that cannot be read.
    """
    if prompt_file is not None:
        found = read_prompt_file(Path(prompt_file))
        return tuple(
            check_text(text, f"prompt_file={prompt_file}, line {line}")
            for line, text in found.prompts
        )
    if prompt is None:
        raise ConfigError("prompt", None, "nothing to draw", "a text, a list, or prompt_file=...")
    prompts = prompt if isinstance(prompt, Sequence) and not isinstance(prompt, str) else [prompt]
    if not prompts:
        raise ConfigError("prompt", "[]", "nothing to draw", "at least one text")
    return tuple(check_text(text, "prompt") for text in prompts)


def check_images(
    prompts: tuple[str, ...], seeds: Sequence[int], prompt_file: str | None
) -> tuple[str, ...]:
    """Check that a cell has not too many images. Returns the prompts.

    Raises:
        ConfigError: prompts x seeds are more than `MOST_IMAGES`.
    """
    images = len(prompts) * len(seeds)
    if images > MOST_IMAGES:
        key, value = ("prompt", "[...]") if prompt_file is None else ("prompt_file", prompt_file)
        if len(seeds) > len(prompts):
            key, value = "seeds", "[...]"
        product = f"prompts x seeds are {len(prompts):,} x {len(seeds):,} = {images:,} images"
        allowed = f"up to {MOST_IMAGES:,} images in a run, or in a cell of a sweep"
        raise ConfigError(key, value, product, allowed)
    return prompts


def check_text(text: object, key: str, allowed: str = "a text with a word in it") -> str:
    """Check that a prompt is a text with a word in it, and one that can be written.

    Raises:
        ConfigError: it is not a text, is empty, or holds NUL or bytes that are not UTF-8.
    """
    if not isinstance(text, str):
        # What is read from a file or another section has other quotes.
        quotes = f"quotes: {key}='\"{format_value(text)}\"'" if key.isidentifier() else allowed
        raise ConfigError(key, text, f"is {type(text).__name__}, not text", quotes)
    if not text.strip():
        raise ConfigError(key, text, "is empty", allowed)
    if (problem := text_problem(text)) is not None:
        raise ConfigError(key, text, problem)
    return text
