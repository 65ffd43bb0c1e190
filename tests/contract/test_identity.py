"""Settings that affect the pixels change the keys; other settings do not."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.identity_cases import BASES, BY_CONTENT, DECIDES_PIXELS, DOES_NOT, NOT_HERE
from helpers.cases import CELLS
from runner.catalog.versions import VERSIONS, row_of
from runner.config.choices import WeightsSource
from runner.config.groups import AttentionConfig, CompileConfig, PrecisionConfig, SchedulerConfig
from runner.config.run_config import InterpolateItem, RunConfig
from runner.config.sections import DecoderConfig, InputsConfig, PriorConfig
from runner.planning import checks, planner
from runner.planning.planner import make_plan
from runner.system import machine
from unit.conftest import Compose

Base = Callable[[str], RunConfig]


@pytest.fixture
def base(
    composed: Compose,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    pictures: Callable[[Path], None],
) -> Base:
    """A base of `BASES`, on a machine with an accelerator and all packages."""
    monkeypatch.setattr(machine, "guess_device", lambda: "cuda")
    monkeypatch.setattr(checks, "is_installed", lambda module: True)
    pictures(tmp_path)
    return lambda name: composed(*BASES[name])


@pytest.fixture
def run(base: Base) -> RunConfig:
    return base("mini")


def image_key(run: RunConfig) -> str:
    (image,) = make_plan(run).images
    return image.node.key


def test_every_field_is_classified_once() -> None:
    classified = [*DECIDES_PIXELS, *DOES_NOT, *BY_CONTENT]
    assert sorted(classified) == sorted(f.name for f in dataclasses.fields(RunConfig))


@pytest.mark.parametrize("field", DECIDES_PIXELS)
def test_what_decides_the_pixels_changes_the_key(base: Base, field: str) -> None:
    for name, values in DECIDES_PIXELS[field]:
        run = base(name)
        keys = {image_key(run), *(image_key(replace(run, **{field: value})) for value in values)}
        assert len(keys) == 1 + len(values), name


@pytest.mark.parametrize("name", BASES)
def test_what_does_not_leaves_the_key(base: Base, name: str) -> None:
    run = base(name)
    key = image_key(run)
    for field, values in DOES_NOT.items():
        for value in values:
            assert image_key(replace(run, **{field: value})) == key, (field, value)


def test_kinds_of_devices_are_told_apart_and_devices_of_a_kind_are_not(run: RunConfig) -> None:
    first, second, cpu = (image_key(replace(run, device=d)) for d in ("cuda", "cuda:1", "cpu"))
    assert first == second != cpu


@pytest.mark.parametrize(("name", "field", "value"), NOT_HERE)
def test_what_a_task_does_not_use_leaves_the_key(
    base: Base, name: str, field: str, value: Any
) -> None:
    run = base(name)
    assert getattr(run, field) != value
    assert image_key(replace(run, **{field: value})) == image_key(run)


@pytest.mark.parametrize(
    ("section", "without"),
    [
        (PriorConfig, ()),
        (DecoderConfig, ()),
        (SchedulerConfig, ()),
        (AttentionConfig, ()),
        (PrecisionConfig, ("metrics",)),
        (CompileConfig, ()),
        (InterpolateItem, ()),
        (InputsConfig, ("allow_urls",)),
    ],
)
def test_every_key_of_a_section_that_decides_is_varied(
    section: type[Any], without: tuple[str, ...]
) -> None:
    values = [
        item
        for cases in DECIDES_PIXELS.values()
        for _, alternatives in cases
        for value in alternatives
        for item in (value if isinstance(value, tuple) else (value,))
        if isinstance(item, section)
    ]
    for field in dataclasses.fields(section):
        seen = {str(getattr(value, field.name)) for value in values}
        assert field.name in without or len(seen) > 1, field.name


def test_every_cell_has_a_key_of_its_own(base: Base) -> None:
    runs = [replace(base(task), version=VERSIONS[version]) for version, task in CELLS]
    assert [(run.version.name, run.task.name) for run in runs] == CELLS
    assert len({image_key(run) for run in runs}) == len(CELLS)


def test_weights_count_by_their_content(run: RunConfig, family: Path, tmp_path: Path) -> None:
    def at(path: Path) -> RunConfig:
        return replace(
            run, weights=replace(run.weights, source=WeightsSource.folder, path=str(path))
        )

    assert image_key(at(family)) == image_key(run)
    changed = tmp_path / "changed"
    shutil.copytree(family, changed)
    used = {checkpoint.folder for checkpoint in row_of(run.version, run.task).checkpoints.values()}
    for file in sorted(changed.rglob("*.safetensors")):
        before = image_key(at(changed))
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        counts = file.relative_to(changed).parts[0] in used
        assert (image_key(at(changed)) != before) == counts, file


def test_the_prior_is_shared_by_what_changes_the_decoder_alone(run: RunConfig) -> None:
    def prior_key(run: RunConfig) -> str:
        (image,) = make_plan(run).images
        return image.node.inputs["prior"].key

    def changes(field: str) -> list[Any]:
        return next(values for name, values in DECIDES_PIXELS[field] if name == "mini")

    for field in ("scheduler", "height", "width", "decoder", "seeding"):
        for value in changes(field):
            assert prior_key(replace(run, **{field: value})) == prior_key(run), value
    for field in ("prior", "prompts", "seeds", "negative_prompt"):
        assert prior_key(replace(run, **{field: changes(field)[0]})) != prior_key(run)


@pytest.mark.parametrize("library", machine.PIXEL_LIBRARIES)
def test_versions_of_the_libraries_that_draw_change_the_key(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    before = image_key(run)
    monkeypatch.setattr(
        planner, "versions", lambda names: {**machine.versions(names), library: "0"}
    )
    assert image_key(run) != before
