"""Each wrong value ends in one message that names the key, the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import MissingConfigException

from runner.config.choices import Precision, Seeding
from runner.config.hydra.problems import config_problem
from runner.config.seeds import MAX_SEED
from runner.errors import ConfigError
from unit.conftest import Command, Compose, assert_refused

MAX_STEPS = 1000
"""Noise levels that all versions were trained on."""

REFUSED = [
    # misspelt keys
    ("promt=x", "promt", "no such key", "prompt"),
    ("+promt=x", "promt=x", "no such key", "prompt"),
    ("++promt=x", "promt=x", "no such key", "prompt"),
    ("prior.steps=3", "prior.steps", "no such key", "prior.num_inference_steps"),
    ("+prior.steps=3", "prior.steps=3", "no such key", "prior.num_inference_steps"),
    ("schedulr=ddim", "schedulr", "no such key", "scheduler"),
    ("interpolate.items=[{txt:a}]", "interpolate.items: txt is no key of it", "kandinsky keys"),
    ("hydra.nonsense=1", "hydra.nonsense", "no such key"),
    # options and values
    ("scheduler=heun", "scheduler=heun", "is not offered: ", "asks the model 2n - 1 times", "ddim"),
    ("experiment=mine/none", "experiment=mine/none", "no such option", "first_light"),
    ("experiment=", "experiment=''", "no such option", "first_light"),
    ("weights=/none", "weights=/none", "there is no such folder", "hub, mini, random, the path of"),
    ("weights=none", "weights=none", "no such option", "hub, mini, random, the path of a folder"),
    ("hydra/launcher=none", "hydra/launcher=none", "no such option", "basic"),
    ("seeding=both", "seeding=both", "per_stage, shared"),
    ("precision.prior=fp8", "precision.prior=fp8", "fp32, fp16, bf16"),
    ("scheduler.name=pndm", "scheduler.name=pndm", "ddim, ddpm"),
    # types
    (
        "decoder.num_inference_steps=many",
        "decoder.num_inference_steps=many",
        "is no whole number",
        "1 to 1000",
    ),
    ("decoder.num_inference_steps=2.5", "decoder.num_inference_steps=2.5", "is no whole number"),
    (
        "decoder.guidance_scale=much",
        "decoder.guidance_scale=much",
        "is no number",
        "a number from 0",
    ),
    ("height=true", "height=true", "is no whole number", "or null"),
    ("debug=maybe", "debug=maybe", "neither on nor off"),
    ("seeds=0", "seeds=0", "no image would be made", "1 or more"),
    ("seeds=many", "seeds=many", "says no seeds", "a number of seeds, a list, range(first,end"),
    ("seeds=2.5", "seeds=2.5", "says no seeds"),
    ("seeds=true", "seeds=True", "says no seeds"),
    ("seeds=1,2", "seeds=1,2", "seeds or as numbers of seeds", "seeds=[1,2]", "seeds=[0,1],[2,3]"),
    ("seeds=range(4,4)", "seeds=range(4,4)", "no image would be made"),
    ("seeds=range(0,4,0)", "seeds=range(0,4,0)", "steps by 0"),
    ("seeds=random(1,2)", "seeds=random(1,2)", "cannot be read", "random(count)"),
    ("seeds=random(200001)", "seeds=random(200001)", "too many", "200,000"),
    ("seeds=[a]", "seeds=a", "is no whole number"),
    ("seeds=[null]", "seeds=null", "is no whole number"),
    ("seeds=[[1]]", "seeds=[1]", "is no whole number"),
    ("seeds=[{a:1}]", "seeds={'a': 1}", "is no whole number"),
    ("seeds=null", "seeds=null", "says no seeds"),
    ("prior=null", "prior=null", "cannot be null"),
    ("prior=3", "prior=3", "no section of keys"),
    ("prior=[3]", "prior=[3]", "is a list or a mapping", "prior.guidance_scale"),
    ("progress=Bar", "progress=Bar", "is none of its values (near: bars)", "auto, bars, lines"),
    ("scheduler=dppm", "scheduler=dppm", "(near: ddpm)"),
    ("model.version=kandinsky2.2", "(near: kandinsky2_2"),
    ("tracking.uri=[1]", "tracking.uri=[1]", "is no text", "an address"),
    ("height=64,128", "height=64,128", "a multiple of 64", "-m height=64,128"),
    ("~promt", "~promt", "no such key (near: prompt", "kandinsky keys"),
    ("~decoder.guidance_scale", "~decoder.guidance_scale", "cannot be taken out", "a number from"),
    ("=5", "override='=5'", "names no key", "key=value"),
    ("--mutlirun", "flag=--mutlirun", "no such flag (near: --multirun", "--config-dir"),
    # unreadable overrides
    ("prompt", "prompt", "key=value"),
    ("name=(a", "name", "quotes"),
    ("name=a=b", "name", "quotes"),
    ("prompt=a,b", "prompt=a,b", "quotes"),
    ("", "''", "key=value"),
    # interpolations
    ("prompt=${oc.env:NO_SUCH_VARIABLE}", "prompt=${oc.env:NO_SUCH_VARIABLE}", "not found"),
    ("name=${oc.env:NO_SUCH_VARIABLE}", "name=${oc.env:NO_SUCH_VARIABLE}", "not found"),
    ("prompt=${no.such.key}", "prompt=${no.such.key}", "no key no.such.key", r"\${...}"),
    ("prompt=${nonsense:3}", "prompt=${nonsense:3}", "nonsense"),
    # prompts
    ("prompt=null", "prompt=null", "prompt_file"),
    ("prompt=", "prompt=''", "is empty"),
    ("prompt='  '", "prompt='  '", "is empty"),
    ("prompt=3", "prompt=3", "not text", "quotes"),
    ("prompt=true", "prompt=True", "not text"),
    ("prompt={a: b}", "prompt={'a': 'b'}", "not text"),
    ("prompt=[a,3]", "prompt=3", "not text"),
    ("prompt=[[a]]", "prompt=['a']", "not text"),
    ("prompt=[]", "prompt=[]", "at least one text"),
    ("negative_prompt=''", "negative_prompt=''", "null"),
    ('prompt="\udcff"', "prompt=\\udcff", "UTF-8"),
    ("prompt=[\udcff", "prompt: ", "UTF-8"),
    ("name='\udcff'", "name=\\udcff", "UTF-8"),
    ("question='a\0b'", "question=a\\x00b", "NUL"),
    ("prompt_file='a\0b.txt'", "prompt_file=a\\x00b.txt", "NUL"),
    ("+inputs.image='\udcff.png'", "inputs.image=\\udcff.png", "UTF-8"),
    ("output_dir='\udcff'", "output_dir=\\udcff", "UTF-8"),
    ("tracking.uri='\udcff'", "tracking.uri=\\udcff", "UTF-8"),
    ("weights=\udcff", "weights: ", "UTF-8"),
    # numbers
    ("prior.num_inference_steps=0", "prior.num_inference_steps=0", f"2 to {MAX_STEPS}"),
    ("prior.num_inference_steps=1", "prior.num_inference_steps=1", f"2 to {MAX_STEPS}"),
    ("decoder.num_inference_steps=0", "decoder.num_inference_steps=0", f"1 to {MAX_STEPS}"),
    ("decoder.num_inference_steps=-4", "decoder.num_inference_steps=-4", f"1 to {MAX_STEPS}"),
    ("decoder.num_inference_steps=1001", "decoder.num_inference_steps=1001", f"1 to {MAX_STEPS}"),
    ("prior.guidance_scale=nan", "prior.guidance_scale=nan", "from 0 on"),
    ("decoder.guidance_scale=inf", "decoder.guidance_scale=inf", "from 0 on"),
    ("decoder.guidance_scale=-1", "decoder.guidance_scale=-1", "from 0 on"),
    ("decoder.guidance_scale=1e400", "decoder.guidance_scale=inf", "from 0 on"),
    ("seeds=[]", "seeds=[]", "at least one"),
    ("seeds=[-1]", "seeds=-1", f"0 to {MAX_SEED}"),
    (f"seeds=[{MAX_SEED + 1}]", f"seeds={MAX_SEED + 1}", f"0 to {MAX_SEED}"),
    ("seeds=[7,3,7]", "seeds=[7, 3, 7]", "7 is there twice"),
    ("threads=0", "threads=0", "auto, or 1 to 1024"),
    ("threads=true", "threads=True", "auto, or 1 to 1024"),
    ("threads=1.5", "threads=1.5", "auto, or 1 to 1024"),
    ("threads=few", "threads=few", "auto, or 1 to 1024"),
    ("height=0", "height=0", "positive"),
    ("width=-64", "width=-64", "positive"),
    ("height=100", "height=100", "multiples of 64", "64 or 128"),
    ("width=65", "width=65", "multiples of 64", "64 or 128"),
    ("width=8192", "width=8192", "multiples of 64", "nearest: 4096"),
    ("height=1", "height=1", "nearest: 64"),
    # the rest
    ("device=gpu", "device=gpu", "auto, cpu, cuda, cuda:N, mps"),
    ("device=cuda:", "device=cuda:", "cuda:N"),
    ("name=", "name=''", "letters"),
    ("name=a/b", "name=a/b", "letters"),
    ("name=..", "name=..", "letters"),
    ("name=latest", "name=latest", "output folder"),
    ("output_dir=", "output_dir=''", "a folder"),
    ("output_dir=null", "output_dir=null", "cannot be null"),
    ("attention.slice_size=2", "attention.slice_size=2", "attention=sdpa"),
    ("weights.path=x", "weights.path=x", "weights=mini"),
    ("weights.source=folder", "weights.path=null", "weights=<folder>"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[0] or "nothing")
def test_wrong_value_is_refused_with_one_message(command: Command, case: tuple[str, ...]) -> None:
    override, *parts = case
    assert_refused(command("plan", override), *parts)


def test_a_misspelt_verb_and_a_missing_extra_are_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(command("plann"), "plann: no such verb (near: plan)", "keys")
    without = (
        "Could not find 'hydra/sweeper/optuna'\n\nAvailable options in 'hydra/sweeper':\n\tcells"
    )
    monkeypatch.setattr("runner.system.machine.is_installed", lambda package: False)
    told = config_problem(MissingConfigException(without, None))
    for part in ("hydra/sweeper=optuna", "not installed", "'kandinsky-runner[optuna]'", "cells"):
        assert part in told


def test_a_baseline_needs_no_inner_quotes(command: Command) -> None:
    said = command("plan", "-m", "scheduler=ddim,ddpm", "baseline=scheduler=ddim", "metrics=psnr")
    assert said.status == 0, said.err


def test_slice_size_needs_at_least_one_head(command: Command) -> None:
    said = command("plan", "attention=sliced", "attention.slice_size=0")
    assert_refused(said, "attention.slice_size=0", "1 or more")


def test_an_address_that_is_none_is_refused_without_its_password(command: Command) -> None:
    said = command("plan", "tracking.uri='http://user:pa55word@[host'")
    assert_refused(said, "tracking.uri=[host")
    assert "pa55word" not in said.err


def test_an_override_that_cannot_be_read_is_not_echoed_with_its_password(command: Command) -> None:
    said = command("plan", "tracking.uri=http://user:pa55word@host/?a=b")
    assert_refused(said, "tracking.uri")
    assert "pa55word" not in said.err


@pytest.mark.parametrize("steps", [2, MAX_STEPS])
def test_the_ends_of_the_range_of_steps_are_allowed(composed: Compose, steps: int) -> None:
    run = composed(f"prior.num_inference_steps={steps}", f"decoder.num_inference_steps={steps}")
    assert (run.prior.num_inference_steps, run.decoder.num_inference_steps) == (steps, steps)


def test_guidance_may_be_zero_and_seeds_as_large_as_torch_takes(composed: Compose) -> None:
    run = composed("decoder.guidance_scale=0", f"seeds=[0,{MAX_SEED}]")
    assert run.decoder.guidance_scale == 0.0
    assert run.seeds == (0, MAX_SEED)


def test_one_prompt_and_a_list_of_prompts(composed: Compose) -> None:
    assert composed("prompt='a, b = c'").prompts == ("a, b = c",)
    assert composed("prompt=[one,'two, three']").prompts == ("one", "two, three")


def test_prompts_keep_their_writing(composed: Compose) -> None:
    assert composed("prompt='красный круг 🎨'").prompts == ("красный круг 🎨",)


def test_values_become_plain_ones(composed: Compose) -> None:
    run = composed("precision=bf16", "seeding=shared", "threads=3", "seeds=[4,5]")
    assert run.precision.decoder is Precision.bf16
    assert run.seeding is Seeding.shared
    assert (run.threads, run.seeds) == (3, (4, 5))


def test_auto_threads_are_left_to_the_plan(composed: Compose) -> None:
    assert composed().threads is None


def test_steps_follow_the_weights_unless_they_are_set(composed: Compose) -> None:
    mini, hub = composed(), composed("weights=hub")
    assert mini.decoder.num_inference_steps == mini.weights.steps.decoder
    assert hub.decoder.num_inference_steps == hub.weights.steps.decoder
    assert mini.weights.steps.decoder != hub.weights.steps.decoder
    assert composed("weights=hub", "decoder.num_inference_steps=7").decoder == type(hub.decoder)(7)


def test_output_dir_is_absolute(composed: Compose, tmp_path: Path) -> None:
    assert composed("output_dir=results").output_dir == tmp_path / "results"


@pytest.mark.parametrize(
    ("experiment", "name", "expected"),
    [(None, None, "default"), ("first", None, "first"), ("my/own", None, "my-own")],
)
def test_name_comes_from_the_experiment(
    command: Command, tmp_path: Path, experiment: str | None, name: str | None, expected: str
) -> None:
    chosen = []
    if experiment is not None:
        file = tmp_path / "mine" / "experiment" / f"{experiment}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text("# @package _global_\nquestion: Is it named?\n")
        chosen = ["--config-dir", str(tmp_path / "mine"), f"experiment={experiment}"]
    said = command("plan", *chosen)
    assert said.out.startswith(f"{expected}: ")


def test_a_name_that_is_set_wins(command: Command) -> None:
    said = command("plan", "experiment=first_light", "name=mine v1.2")
    assert said.out.startswith("mine v1.2: ")


CREDENTIALS = [
    ["tracking.uri=http://user:pa55word@host:5000"],
    ["tracking.uri='http://user:pa55word@host:5000/?key=pa55word'"],
    ["tracking.uri='http://user:pa55word\\'s@host:5000'"],
    ["tracking.uri=http://user:pa55word\\,1@host:5000"],
    ["++tracking.uri=http://user:pa55word@host"],
    ["tracking.uri=user:pa55word@host:5000"],
    ["tracking.uri=http://user:pa55word@host", "tracking.uri=http://host"],
    ["tracking.uri=http://user:pa55word@host", "tracking.uri=null"],
]


@pytest.mark.parametrize("overrides", CREDENTIALS, ids=lambda overrides: overrides[0])
def test_credentials_are_in_no_record(composed: Compose, overrides: list[str]) -> None:
    run = composed(*overrides)
    assert "pa55word" not in str(run.composed)
    assert "pa55word" not in " ".join(run.overrides)
    assert len(run.overrides) == len(overrides)


def test_credentials_are_kept_to_connect_with(composed: Compose) -> None:
    address = "http://user:pa55word@host"
    assert composed(f"tracking.uri={address}").tracking.uri == address


def test_all_else_is_recorded_as_it_was_composed(composed: Compose) -> None:
    run = composed("prompt=a", "seeds=[3]")
    assert run.composed["prompt"] == "a"
    assert run.composed["decoder"]["num_inference_steps"] == run.decoder.num_inference_steps
    assert run.overrides == ("prompt=a", "seeds=[3]")


def test_errors_know_their_key(composed: Compose) -> None:
    with pytest.raises(ConfigError) as caught:
        composed("height=-1")
    assert (caught.value.key, caught.value.value) == ("height", -1)


def test_debug_shows_where_it_failed_and_keeps_the_status(command: Command) -> None:
    said = command("plan", "debug=true", "height=100")
    assert said.status == 2
    assert "Traceback" in said.err
    assert "error: height=100" in said.err
