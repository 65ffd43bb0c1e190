"""What decides the pixels decides the key; what does not, does not."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.conftest import Compose

from runner import machine, planning
from runner.config.run_config import RunConfig
from runner.config.schema import (
    AttentionBackend,
    AttentionConfig,
    CacheMode,
    DecoderConfig,
    OffloadMode,
    Precision,
    PrecisionConfig,
    PriorConfig,
    Progress,
    SchedulerConfig,
    SchedulerName,
    Seeding,
    Task,
    Tracker,
    TrackingConfig,
    Version,
    WeightsSource,
)
from runner.planning import make_plan

DECIDES_PIXELS: dict[str, list[Any]] = {
    "scheduler": [SchedulerConfig(SchedulerName.ddpm)],
    "attention": [
        AttentionConfig(AttentionBackend.plain),
        AttentionConfig(AttentionBackend.sliced),
        AttentionConfig(AttentionBackend.sliced, slice_size=1),
    ],
    "precision": [
        PrecisionConfig(prior=Precision.bf16),
        PrecisionConfig(decoder=Precision.bf16),
        PrecisionConfig(decoder=Precision.fp16),
    ],
    "prompts": [("a blue square",)],
    "negative_prompt": ["a blue square"],
    "seeds": [(1,)],
    "seeding": [Seeding.shared],
    "height": [64],
    "width": [64],
    "prior": [PriorConfig(num_inference_steps=7), PriorConfig(guidance_scale=1.0)],
    "decoder": [DecoderConfig(25, guidance_scale=1.0), DecoderConfig(num_inference_steps=7)],
}

DOES_NOT: dict[str, list[Any]] = {
    "name": ["another"],
    "question": ["Why?"],
    "offload": [OffloadMode.model, OffloadMode.sequential],
    "tracking": [TrackingConfig(Tracker.none), TrackingConfig(uri="http://host", experiment="e")],
    "cache": [CacheMode.off, CacheMode.refresh],
    "device": ["cpu", "cuda:1"],
    "threads": [3],
    "output_dir": [Path("elsewhere").absolute()],
    "progress": list(Progress),
    "debug": [True],
    "composed": [{}],
    "overrides": [("a=b",)],
}

ONLY_ONE: dict[str, type[Version | Task]] = {"version": Version, "task": Task}
"""Choices that decide the pixels and have a single value so far."""

BY_CONTENT = {"weights"}


@pytest.fixture
def run(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    monkeypatch.setattr(machine, "likely_device", lambda: "cuda")
    return composed()


def image_key(run: RunConfig) -> str:
    (image,) = make_plan(run).images
    return image.node.key


def test_every_field_is_classified_once() -> None:
    classified = [*DECIDES_PIXELS, *DOES_NOT, *ONLY_ONE, *BY_CONTENT]
    assert sorted(classified) == sorted(f.name for f in dataclasses.fields(RunConfig))


@pytest.mark.parametrize("field", DECIDES_PIXELS)
def test_what_decides_the_pixels_changes_the_key(run: RunConfig, field: str) -> None:
    values = DECIDES_PIXELS[field]
    keys = {image_key(run), *(image_key(replace(run, **{field: value})) for value in values)}
    assert len(keys) == 1 + len(values)


@pytest.mark.parametrize("field", DOES_NOT)
def test_what_does_not_leaves_the_key(run: RunConfig, field: str) -> None:
    for value in DOES_NOT[field]:
        assert image_key(replace(run, **{field: value})) == image_key(run)


@pytest.mark.parametrize("field", ONLY_ONE)
def test_a_second_value_must_be_classified(field: str) -> None:
    assert len(ONLY_ONE[field]) == 1, f"move {field} to DECIDES_PIXELS, with the new value"


@pytest.mark.parametrize(
    "section",
    [PriorConfig, DecoderConfig, SchedulerConfig, AttentionConfig, PrecisionConfig],
)
def test_every_key_of_a_section_that_decides_is_varied(section: type[Any]) -> None:
    values = [v for vs in DECIDES_PIXELS.values() for v in vs if isinstance(v, section)]
    for field in dataclasses.fields(section):
        assert any(getattr(value, field.name) != field.default for value in values), field.name


def test_weights_count_by_their_content(run: RunConfig, family: Path, tmp_path: Path) -> None:
    def at(path: Path) -> RunConfig:
        return replace(
            run, weights=replace(run.weights, source=WeightsSource.folder, path=str(path))
        )

    assert image_key(at(family)) == image_key(run)
    changed = tmp_path / "changed"
    shutil.copytree(family, changed)
    for file in sorted(changed.rglob("*.safetensors")):
        before = image_key(at(changed))
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        assert image_key(at(changed)) != before, file


def test_the_prior_is_shared_by_what_changes_the_decoder_alone(run: RunConfig) -> None:
    def prior_key(run: RunConfig) -> str:
        (image,) = make_plan(run).images
        return image.node.inputs["prior"].key

    changes: list[dict[str, Any]] = [
        {field: value}
        for field in ("scheduler", "height", "width", "decoder", "seeding")
        for value in DECIDES_PIXELS[field]
    ]
    for change in changes:
        assert prior_key(replace(run, **change)) == prior_key(run), change
    for field in ("prior", "prompts", "seeds", "negative_prompt"):
        assert prior_key(replace(run, **{field: DECIDES_PIXELS[field][0]})) != prior_key(run)


@pytest.mark.parametrize("library", machine.PIXEL_LIBRARIES)
def test_versions_of_the_libraries_that_draw_change_the_key(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    before = image_key(run)
    monkeypatch.setattr(
        planning, "versions", lambda names: {**machine.versions(names), library: "0"}
    )
    assert image_key(run) != before
