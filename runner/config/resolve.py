"""DictConfig -> RunConfig. Past this module there is no OmegaConf."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from runner.config.credentials import recorded_override, without_credentials
from runner.config.problems import in_plain_words, no_such_key
from runner.config.prompts import checked_text, prompts_of
from runner.config.run_config import RunConfig
from runner.config.schema import AttentionBackend, Config, WeightsSource
from runner.errors import ConfigError

MAX_STEPS = 1000
"""The checkpoints were trained on 1000 noise levels: no schedule has more steps."""

MAX_SEED = 2**63 - 1
"""torch.Generator.manual_seed takes no more."""

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
TAKEN_NAMES = ("latest", "mlartifacts", "mlflow.db")
"""What else lies in the output folder: a run's folder of that name would end up inside it."""

RUN_NAME = re.compile(r"[\w][\w .-]*")


def resolve(
    composed: DictConfig,
    *,
    experiment: str | None = None,
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Check a composed config and freeze it.

    Args:
        composed: what Hydra composed, without its own `hydra` node.
        experiment: the choice of the `experiment` group; names the run where `name` is null.
        overrides: the command line's overrides, kept for the record.

    Raises:
        ConfigError: a key, type or value is wrong.
    """
    config = _to_dataclass(composed)
    _check_steps("prior.num_inference_steps", config.prior.num_inference_steps, minimum=2)
    _check_steps("decoder.num_inference_steps", config.decoder.num_inference_steps, minimum=1)
    _check_guidance("prior.guidance_scale", config.prior.guidance_scale)
    _check_guidance("decoder.guidance_scale", config.decoder.guidance_scale)
    if config.negative_prompt is not None:
        # "" is not the same as none: the prior would sample an embedding for the empty text.
        checked_text(config.negative_prompt, "negative_prompt", "null, or a text")
    if not config.output_dir.strip():
        raise ConfigError("output_dir", config.output_dir, "names no folder", "a folder; . is here")
    if {"?", "#"} & set(config.output_dir):
        # They end the path in the address of MLflow's sqlite file.
        raise ConfigError("output_dir", config.output_dir, "holds a ? or #", "any other folder")
    if not DEVICE.fullmatch(config.device):
        raise ConfigError(
            "device", config.device, "is no device", ("auto", "cpu", "cuda", "cuda:N", "mps")
        )
    for key, size in (("height", config.height), ("width", config.width)):
        if size is not None and size <= 0:
            raise ConfigError(key, size, "is no number of pixels", "a positive number, or null")
    _check_address(config.tracking.uri)
    _check_attention(config)
    _check_weights(config)
    return RunConfig(
        name=_run_name(config.name, experiment),
        question=config.question,
        version=config.model.version,
        task=config.task.name,
        weights=config.weights,
        scheduler=config.scheduler,
        attention=config.attention,
        offload=config.offload.mode,
        precision=config.precision,
        tracking=config.tracking,
        cache=config.cache.mode,
        prompts=prompts_of(config.prompt, config.prompt_file),
        negative_prompt=config.negative_prompt,
        seeds=_checked_seeds(config.seeds),
        seeding=config.seeding,
        height=config.height,
        width=config.width,
        prior=config.prior,
        decoder=config.decoder,
        device=config.device,
        threads=_checked_threads(config.threads),
        output_dir=Path(config.output_dir).absolute(),
        progress=config.progress,
        debug=config.debug,
        composed=_recorded(_plain(composed)),
        overrides=tuple(recorded_override(override, config.tracking.uri) for override in overrides),
    )


def _to_dataclass(composed: DictConfig) -> Config:
    try:
        missing = sorted(OmegaConf.missing_keys(composed))
        if missing:
            raise ConfigError(missing[0], "???", "is not set and has no default")
        # Merging plain values into the schema once more catches what `+key=value` added past it.
        typed = OmegaConf.merge(OmegaConf.structured(Config), _plain(composed))
        config = OmegaConf.to_object(typed)
    except OmegaConfBaseException as error:
        key = error.full_key or "config"
        unknown = isinstance(error, ConfigKeyError)
        said = (error.msg or str(error)).splitlines()[0]
        problem = no_such_key(key) if unknown else in_plain_words(said)
        raise ConfigError(key, _as_written(composed, key), problem) from error
    assert isinstance(config, Config)
    return config


def _plain(composed: DictConfig) -> dict[str, Any]:
    plain = OmegaConf.to_container(composed, resolve=True, enum_to_str=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _as_written(composed: DictConfig, key: str) -> object:
    """A key's value before interpolation; None where there is no such key."""
    raw: object = OmegaConf.to_container(composed, resolve=False)
    for part in key.split("."):
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw


def _recorded(plain: dict[str, Any]) -> dict[str, Any]:
    """The composed config as it may be written down: without the credentials of an address."""
    uri = plain["tracking"]["uri"]
    if uri is None:
        return plain
    return {**plain, "tracking": {**plain["tracking"], "uri": without_credentials(uri)}}


def _check_steps(key: str, steps: int, *, minimum: int) -> None:
    # A prior of one step ends in ZeroDivisionError (diffusers, scheduling_unclip.py).
    if not minimum <= steps <= MAX_STEPS:
        raise ConfigError(key, steps, "is out of range", f"{minimum} to {MAX_STEPS}")


def _check_guidance(key: str, scale: float) -> None:
    if not math.isfinite(scale):
        raise ConfigError(key, scale, "is not a finite number", "a number from 0 on")
    if scale < 0:
        raise ConfigError(key, scale, "is negative", "a number from 0 on; 1 or less: no guidance")


def _check_address(uri: str | None) -> None:
    try:
        urlsplit(uri or "")
    except ValueError as error:
        shown = without_credentials(uri or "")
        raise ConfigError("tracking.uri", shown, f"is no address: {error}") from error


def _check_attention(config: Config) -> None:
    size = config.attention.slice_size
    if size is None:
        return
    if config.attention.backend is not AttentionBackend.sliced:
        backend = config.attention.backend.name
        raise ConfigError("attention.slice_size", size, f"means nothing with attention={backend}")
    if size < 1:
        raise ConfigError("attention.slice_size", size, "is no number of heads", "1 or more")


def _check_weights(config: Config) -> None:
    weights = config.weights
    if weights.source is WeightsSource.folder and not weights.path:
        raise ConfigError("weights.path", weights.path, "names no folder", "weights=<folder>")
    if weights.source is not WeightsSource.folder and weights.path:
        raise ConfigError(
            "weights.path", weights.path, f"means nothing with weights={weights.source.name}"
        )


def _checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    if not seeds:
        raise ConfigError("seeds", "[]", "no image would be made", "at least one number")
    for seed in seeds:
        if not 0 <= seed <= MAX_SEED:
            raise ConfigError("seeds", seed, "is out of range", f"0 to {MAX_SEED}")
    repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if repeated:
        raise ConfigError("seeds", list(seeds), f"{repeated[0]} is there twice", "each seed once")
    return tuple(seeds)


def _checked_threads(threads: object) -> int | None:
    if threads == "auto":
        return None
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise ConfigError("threads", threads, "is no number of threads", "auto, or 1 to 1024")
    return threads


def _run_name(name: str | None, experiment: str | None) -> str:
    chosen = name if name is not None else experiment or "default"
    # An experiment of a user's own may lie in a folder: experiment=mine/steps.
    chosen = chosen.replace("/", "-") if name is None else chosen
    if not RUN_NAME.fullmatch(chosen):
        raise ConfigError(
            "name", chosen, "cannot be the name of a folder", "letters, digits, _ - ."
        )
    if chosen in TAKEN_NAMES:
        raise ConfigError("name", chosen, "is the name of something else in the output folder")
    return chosen
