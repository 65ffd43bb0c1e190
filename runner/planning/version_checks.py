"""Refuses what a version has no use for, or would silently take for something else."""

from __future__ import annotations

import re

from runner.config.choices import WeightsSource
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.weights.tokens import cleaned


def check_version(run: RunConfig) -> None:
    """Raises ConfigError for weights, corrections or texts that the version cannot have."""
    version = run.version
    if run.weights.source is WeightsSource.mini and not version.in_small_family:
        raise ConfigError(
            "weights", "mini", f"the small family has no Kandinsky {version.title}",
            "weights=hub (downloads it), weights=random (pictures are noise), or weights=<folder>",
        )  # fmt: skip
    if not run.corrections and version.always_corrected:
        raise ConfigError(
            "corrections", "off", f"is not there for Kandinsky {version.title}, where diffusers "
            f"goes wrong with a line in a log: {version.always_corrected}", "on",
        )  # fmt: skip
    if version.special_texts:
        texts = [("prompt", text) for text in run.prompts]
        for key, text in (*texts, ("negative_prompt", run.negative_prompt)):
            _check_special(key, text or "", version.special_texts, version.title)


def _check_special(key: str, text: str, pattern: str, title: str) -> None:
    found = re.search(pattern, cleaned(text))  # as it is read: &lt; is <
    if found is not None:
        raise ConfigError(
            key, text, f"{found[0]} is a mark of Kandinsky {title}'s text encoder, which it would "
            "obey", "a text without it",
        )  # fmt: skip
