"""torch.compile: pictures stay the same, it is read back and timed apart, a miss is reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from diffusers import Kandinsky5Transformer3DModel, PriorTransformer, UNet2DConditionModel
from PIL import Image

from functional.cells import Drawn, drawn, opened, planned, small
from functional.made import Made
from functional.residents import home
from helpers.pixels import Pixels, furthest
from random_weights.filling import fill
from runner.catalog.offload import NONE
from runner.cli import main
from runner.config.choices import CacheMode
from runner.config.run_config import Bench
from runner.errors import StageError
from runner.graph.node import CompileSpec
from runner.pipelines.compilation import (
    check_set,
    compile_module,
    forget_compiled,
    graphs_compiled,
    read_back,
)
from runner.planning.checks import COMPILERS
from runner.planning.profile import ExecutionProfile
from runner.runs.plan_text import plan_text
from runner.system.kept_code import CODE_FOLDER, kept_code
from runner.workers.setup import WorkerSetup, open_pipelines

REPOSITORY = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # on a busy machine the C++ compiler waits for its turn
    pytest.mark.skipif(
        not any(map(shutil.which, COMPILERS)), reason="torch.compile needs a C++ compiler on a CPU"
    ),
]

TOLERANCE = 2
"""Levels of 255: a compiled graph fuses, and so rounds, differently."""

VERSION = "kandinsky2_2"
SEEDS = "seeds=[3,4]"


@pytest.fixture(scope="module")
def lean(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random checkpoints with few layers: each kernel costs a second to compile."""
    folder = tmp_path_factory.mktemp("lean")
    for name in ("kandinsky-2-2-prior", "kandinsky-2-2-decoder"):
        shutil.copytree(random_weights / name, folder / name)
    unet = folder / "kandinsky-2-2-decoder" / "unet"
    config = {
        **UNet2DConditionModel.load_config(unet),
        "block_out_channels": (16,),
        "layers_per_block": 1,
        "down_block_types": ("SimpleCrossAttnDownBlock2D",),
        "mid_block_type": None,
        "up_block_types": ("SimpleCrossAttnUpBlock2D",),
    }
    fill(UNet2DConditionModel.from_config(config), "lean", 0).save_pretrained(unet)
    prior = folder / "kandinsky-2-2-prior" / "prior"
    config = {**PriorTransformer.load_config(prior), "num_layers": 1}
    shallow = fill(PriorTransformer.from_config(config), "lean", 0)
    torch.nn.init.ones_(shallow.clip_std)  # a statistic: it multiplies the embeddings
    shallow.save_pretrained(prior)
    return folder


@pytest.fixture(scope="module")
def usual(lean: Path, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Seeds 3 and 4, not compiled."""
    plan = planned(lean, tmp_path_factory.mktemp("usual"), VERSION, SEEDS)
    return drawn(plan, opened(plan))


@pytest.fixture(scope="module")
def tracked(lean: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a compiled run of the same, logged to MLflow."""
    folder = tmp_path_factory.mktemp("compiled")
    overrides = [SEEDS, "compile=default", "tracking=mlflow"]
    before = graphs_compiled()
    assert main(small(lean, folder, VERSION, *overrides)) == 0
    assert graphs_compiled() >= before + 2  # prior and UNet
    return folder


def test_compiled_pictures_are_the_usual_ones(tracked: Path, usual: Drawn) -> None:
    files = Made(tracked).files
    expected = [one.value for one in usual.results if isinstance(one.value, Image.Image)]
    assert len(files) == len(expected) == 2
    for file, picture in zip(files, expected, strict=True):
        with Image.open(file) as image:
            assert furthest(as_pixels(image), as_pixels(picture)) <= TOLERANCE


def test_the_denoisers_and_nothing_else_read_back_as_compiled(tracked: Path) -> None:
    (file,) = tracked.rglob("pipelines.json")
    found = {n: c for loaded in json.loads(file.read_text()) for n, c in loaded["compile"].items()}
    compiled = {name for name, one in found.items() if one["compiled"]}
    assert compiled == {"prior", "unet"}
    assert found.keys() - compiled == {"image_encoder", "text_encoder", "movq"}
    assert found["unet"]["channels_last"] is False


def test_the_first_call_is_timed_apart(tracked: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{tracked / 'mlflow.db'}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    for stage in ("prior", "decode"):
        seconds = [m.value for m in client.get_metric_history(run.info.run_id, f"seconds_{stage}")]
        first = client.get_metric_history(run.info.run_id, f"seconds_{stage}_first_call")
        assert len(seconds) == 2
        assert [metric.value for metric in first] == [seconds[0]]
        assert seconds[0] > seconds[1]  # it compiles


def test_another_process_takes_what_is_compiled(lean: Path, tracked: Path, tmp_path: Path) -> None:
    """In another output folder, too; what torch itself would keep is not looked at."""
    given = small(lean, tmp_path, VERSION, "seeds=[5]", "compile=default", "progress=json")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment.pop(CODE_FOLDER, None)
    done = subprocess.run(
        [sys.executable, "-m", "runner", *given],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=True,
    )  # fmt: skip
    ended = [json.loads(line) for line in done.stdout.splitlines() if "stage_finished" in line]
    compiled = {one["stage"]: one["compiled"] for one in ended}
    for stage in ("prior", "decode"):
        assert compiled[stage] == {"made": 0, "taken": 1, "kept": True}
    client = mlflow.MlflowClient(f"sqlite:///{tracked / 'mlflow.db'}")
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    said = run.data.tags["runner.compiled"].splitlines()
    assert [line.partition(":")[0] for line in said] == ["prior", "decode"]
    assert kept_code()
    told = plan_text(planned(lean, tmp_path, VERSION, "compile=default"))
    assert "\n  compile=default: the first image takes about " in told


def test_channels_last_is_read_back_and_draws_the_same(
    lean: Path, tmp_path: Path, usual: Drawn
) -> None:
    plan = planned(lean, tmp_path, VERSION, SEEDS, "compile=default", "channels_last=true")
    made = drawn(plan, opened(plan))
    assert furthest(made.pixels, usual.pixels) <= TOLERANCE
    found = made.read_back("compile")
    assert found["unet"] == {"compiled": True, "channels_last": True}
    # It has no convolutions whose memory format would tell.
    assert found["prior"] == {"compiled": True, "channels_last": None}
    assert found["movq"] == {"compiled": False, "channels_last": False}


def test_channels_last_alone_compiles_nothing(lean: Path, tmp_path: Path, usual: Drawn) -> None:
    plan = planned(lean, tmp_path, VERSION, SEEDS, "compile.channels_last=true")
    before = graphs_compiled()
    made = drawn(plan, opened(plan))
    assert graphs_compiled() == before
    assert furthest(made.pixels, usual.pixels) <= TOLERANCE
    assert made.read_back("compile")["unet"] == {"compiled": False, "channels_last": True}


def test_a_compiled_module_that_was_never_called_is_noticed(lean: Path, tmp_path: Path) -> None:
    """However much was compiled before in this process."""
    torch.compile(lambda x: x + 1)(torch.zeros(1))
    assert graphs_compiled() > 0
    plan = planned(lean, tmp_path, VERSION, "compile=default")
    pipelines = opened(plan)
    (spec,) = {node.pipeline for node in plan.graph if node.stage == "decode"}
    assert spec is not None
    pipelines.get(spec)
    with pytest.raises(StageError, match="nothing was compiled"):
        pipelines.check_used(spec)
    # Where nothing was asked for there is nothing to miss.
    pipelines.check_used(replace(spec, compile=None))


def test_what_is_set_is_checked_on_the_module() -> None:
    module = torch.nn.Conv2d(4, 4, 3)
    asked = CompileSpec("default", fullgraph=False, channels_last=True)
    with pytest.raises(StageError, match="no effect on unet"):
        check_set("unet", module, asked)
    with pytest.raises(StageError, match="channels_last"):
        check_set("unet", module, replace(asked, mode=None))
    compile_module(module, asked)
    check_set("unet", module, asked)
    assert read_back(module) == {"compiled": True, "channels_last": True}


def test_any_number_of_sizes_is_compiled_for() -> None:
    """torch's own limits are 8 and 256; beyond them it would go on eagerly, or end in an error."""
    compile_module(torch.nn.Identity(), CompileSpec("default", fullgraph=True, channels_last=False))
    made = []

    def compiler(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        made.append(graph)
        return graph

    compiled = torch.compile(torch.cos, backend=compiler, dynamic=False)
    for length in range(2, 72):
        compiled(torch.ones(length))
    assert len(made) == 70
    limits = torch._dynamo.config
    assert limits.accumulated_recompile_limit == limits.recompile_limit > 10_000
    forget_compiled()


def as_pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.int16)


def test_blocks_that_repeat_are_compiled_once(random_weights: Path, tmp_path: Path) -> None:
    """The tiny transformer has two blocks for pictures and one for texts. Texts of another length
    are compiled for, too.
    """
    prompts = ["a cat", "a dog", "a big red cat"]
    given = (
        random_weights, tmp_path, "kandinsky5", "decoder.guidance_scale=1",
        f"prompt=[{','.join(prompts)}]",
    )  # fmt: skip
    asked = ("cache=off", "compile=default", "compile.regional=true", "compile.fullgraph=true")
    usual = drawn(plan := planned(*given), opened(plan))
    before = graphs_compiled()
    made = drawn(plan := planned(*given, *asked), opened(plan))
    assert graphs_compiled() - before == 2 * 2, "one for each kind and length"
    for picture, expected in zip(made.pictures, usual.pictures, strict=True):
        assert furthest(picture, expected) <= TOLERANCE
    assert "for each length of a text, of which there are up to 3: " in plan_text(plan)
    found = made.read_back("compile")
    assert found["transformer"] == {"compiled": True, "blocks": 3, "channels_last": None}
    assert not found["vae"]["compiled"]
    checkpoint = plan.weights.checkpoints["decoder"].checkpoint
    assert list(checkpoint.repeated) == Kandinsky5Transformer3DModel._repeated_blocks


def test_a_measurement_finds_nothing_compiled_before() -> None:
    made = []

    def compiler(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        made.append(graph)
        return graph

    compiled = torch.compile(torch.sin, backend=compiler)
    plain = ExecutionProfile(CacheMode.off, "cpu", 1, None, NONE, None, 1)
    for profile, count in ((plain, 1), (plain, 1), (replace(plain, bench=Bench(0, 1)), 2)):
        open_pipelines(WorkerSetup((), profile, ()))
        compiled(torch.ones(2))
        assert len(made) == count


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers stay only there")
def test_a_worker_that_has_compiled_stays_for_the_next(
    random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("compile=default", "compile.regional=true", "decoder.guidance_scale=1", "cache=off")
    given = (*small(random_weights, tmp_path, "kandinsky5", *asked), "workers.keep=2m")
    monkeypatch.setenv(CODE_FOLDER, str(tmp_path / "code"))  # it is compiled while it works
    with home(tmp_path / "home"):
        for number in range(2):
            done = subprocess.run(
                [sys.executable, "-m", "runner", *given, "progress=lines"],
                capture_output=True, text=True, cwd=tmp_path, check=True,
            )  # fmt: skip
            assert (", resident since " in done.stderr) == (number > 0)
