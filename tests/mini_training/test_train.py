"""Training: short runs, resuming, exporting."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from diffusers import DDPMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from torch import Tensor, nn

from runner.mini.known import read_known
from runner.mini.vocabulary import Combination
from training import export
from training import train as command
from training.known import known_in_training
from training.loop import CHECKPOINT, Budget, load_ema, read_checkpoint, train
from training.parts import (
    clip,
    dataset,
    lora,
    movq,
    polish,
    prior,
    texts,
    unet,
)
from training.steps import Draws, Losses

SHORT = Budget(
    steps=4, peak_lr=1e-3, warmup=2, cooldown=2, checkpoint_every=2, report_every=1, batch=4
)
CPU = torch.device("cpu")
DATASET = 16
FEW_AT_ONCE = 4


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where every part was trained for four steps."""
    folder = tmp_path_factory.mktemp("mini-training")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        shrink_dataset(patch)
        for part in (movq, clip, polish, prior, unet):
            part.run_training(folder, 0, CPU, SHORT)
        lora.run_training(folder, 0, CPU, replace(SHORT, steps=1))
    return folder


def shrink_dataset(patch: pytest.MonkeyPatch) -> None:
    """Let the parts that learn from encoded scenes learn from a few, and few at once."""
    for part in (texts, unet):
        patch.setattr(part, "BATCH", FEW_AT_ONCE)
    patch.setattr(lora, "TWO_OBJECTS", DATASET)
    patch.setattr(dataset.training_scenes, "__defaults__", (DATASET,))
    patch.setattr(dataset, "all_combinations", lambda: (Combination("circle", "red", "gray"),))
    patch.setattr(movq.example_images, "__defaults__", (16,))


def weights(folder: Path) -> dict[str, Tensor]:
    return read_checkpoint(folder / CHECKPOINT)[1]


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("part", [movq, clip, polish, prior, unet])
def test_a_resumed_part_has_bit_identical_weights(
    part: ModuleType, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_dataset(monkeypatch)
    for needed in (movq.NAME, clip.NAME):
        if needed != part.NAME:
            (tmp_path / needed).symlink_to(work / needed)
    stopped = replace(SHORT, steps=2, cooldown=0)
    part.run_training(tmp_path, 0, CPU, stopped)
    half = weights(tmp_path / part.NAME)
    part.run_training(tmp_path, 0, CPU, SHORT)
    whole = weights(tmp_path / part.NAME)
    assert same(whole, weights(work / part.NAME))
    assert not same(whole, half)


def test_another_seed_makes_other_weights(work: Path, tmp_path: Path) -> None:
    movq.run_training(tmp_path, 1, CPU, SHORT)
    assert not same(weights(tmp_path / movq.NAME), weights(work / movq.NAME))


def test_the_loop_minimises_and_reports(tmp_path: Path) -> None:
    def measure(model: nn.Module, step: int, draws: Draws) -> Losses:
        x = torch.randn(16, 2, generator=draws.torch)
        return {"loss": (model(x) - x.sum(1, keepdim=True)).square().mean()}

    torch.manual_seed(0)
    budget = Budget(steps=300, peak_lr=0.05, warmup=10, cooldown=100, checkpoint_every=100)
    run = train("line", nn.Linear(2, 1), measure, budget, tmp_path, seed=0)
    assert run.history[-1]["loss"] < 1e-2 < run.history[0]["loss"]
    kept = load_ema(nn.Linear(2, 1), tmp_path)
    assert isinstance(kept, nn.Linear)
    assert kept.weight.flatten().tolist() == pytest.approx([1, 1], abs=0.05)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_the_rate_warms_up_stays_and_falls() -> None:
    budget = Budget(steps=100, peak_lr=1.0, warmup=10, cooldown=20)
    rates = [budget.lr(step) for step in range(100)]
    assert rates[:2] == [0.1, 0.2]
    assert set(rates[9:81]) == {1.0}
    assert rates[81:] == pytest.approx([(100 - step) / 20 for step in range(81, 100)])


def test_draws_depend_on_seed_part_and_step() -> None:
    def first(seed: int, part: str, step: int) -> tuple[float, float]:
        draws = Draws.of(seed, part, step)
        return draws.python.random(), torch.rand(1, generator=draws.torch).item()

    assert first(0, "a", 0) == first(0, "a", 0)
    assert len({first(0, "a", 0), first(1, "a", 0), first(0, "b", 0), first(0, "a", 1)}) == 4


def test_encoded_scenes_are_made_anew_for_another_encoder(work: Path, tmp_path: Path) -> None:
    (tmp_path / clip.NAME).symlink_to(work / clip.NAME)
    few = dataset.training_scenes(0, DATASET)
    few = replace(few, one=few.one[:DATASET])
    old = dataset.embeddings(tmp_path, few, CPU)
    assert torch.equal(old, dataset.embeddings(tmp_path, few, CPU))
    (tmp_path / clip.NAME).unlink()
    clip.run_training(tmp_path, 1, CPU, SHORT)
    assert not torch.equal(old, dataset.embeddings(tmp_path, few, CPU))


def test_polishing_leaves_the_encoder_as_it_is(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_dataset(monkeypatch)
    images = movq.example_images(2)
    before, after = movq.load(work), polish.load(work)
    with torch.no_grad():
        assert torch.equal(movq.encode(before, images), movq.encode(after, images))
        latents = movq.encode(before, images)
        assert not torch.equal(movq.decode(before, latents), movq.decode(after, latents))


def test_export_writes_two_folders_that_load_in_float32(work: Path, tmp_path: Path) -> None:
    command.main(["export", "--work-dir", str(work), "--weights", str(tmp_path)])
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    decoder = KandinskyV22Pipeline.from_pretrained(tmp_path / export.DECODER_FOLDER)
    loaded = KandinskyV22PriorPipeline.from_pretrained(tmp_path / export.PRIOR_FOLDER)
    parts = (decoder.unet, decoder.movq, loaded.prior, loaded.text_encoder, loaded.image_encoder)
    assert {part.dtype for part in parts} == {torch.float32}
    assert isinstance(decoder.scheduler, DDPMScheduler)
    # diffusers reads what it wrote.
    decoder.unet.load_lora_adapter(
        tmp_path / export.LORAS_FOLDER, weight_name=lora.FILE, prefix=None
    )
    assert decoder.unet.peft_config["default_0"].r == lora.RANK
    assert read_known(tmp_path) == known_in_training()
    index = json.loads((tmp_path / export.PRIOR_FOLDER / "model_index.json").read_text())
    assert index["image_processor"] == ["transformers", "CLIPImageProcessorPil"]


def test_export_refuses_a_family_with_untrained_parts(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        command.main(["export", "--work-dir", str(tmp_path), "--weights", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_export_replaces_an_older_one(work: Path, tmp_path: Path) -> None:
    arguments = ["export", "--work-dir", str(work), "--weights", str(tmp_path)]
    command.main(arguments)
    stale = tmp_path / export.DECODER_FOLDER / "stale.txt"
    stale.write_text("left over")
    command.main(arguments)
    assert not stale.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [export.PRIOR_FOLDER, export.DECODER_FOLDER, export.LORAS_FOLDER, "vocabulary.json"]
    )


def test_training_can_start_from_an_exported_family(work: Path, tmp_path: Path) -> None:
    family, fresh = tmp_path / "family", tmp_path / "work"
    command.main(["export", "--work-dir", str(work), "--weights", str(family)])
    command.main(["export", "--work-dir", str(fresh), "--weights", str(tmp_path / "again"),
                  "--start-from", str(family)])  # fmt: skip
    first, again = (
        KandinskyV22Pipeline.from_pretrained(folder / export.DECODER_FOLDER).unet.state_dict()
        for folder in (family, tmp_path / "again")
    )
    assert same(first, again)
    assert read_checkpoint(fresh / unet.NAME / CHECKPOINT)[0]["step"] == "0"


def test_the_command_trains_one_part_for_the_steps_asked(tmp_path: Path) -> None:
    command.main(
        ["movq", "--work-dir", str(tmp_path), "--steps", "2", "--seed", "5", "--tracking", "none"]
    )
    notes, _ = read_checkpoint(tmp_path / movq.NAME / CHECKPOINT)
    assert notes["step"] == "2"
    assert not (tmp_path / clip.NAME).exists()


def test_a_trained_part_is_logged_to_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    command.main(["movq", "--steps", "2", "--seed", "5"])
    client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name("mini-training")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == movq.NAME
    assert run.info.status == "FINISHED"
    assert run.data.params["steps"] == "2"
    assert run.data.params["seed"] == "5"
    (last,) = client.get_metric_history(run.info.run_id, "loss")[-1:]
    history = json.loads(
        read_checkpoint(Path("outputs/mini-training/movq") / CHECKPOINT)[0]["history"]
    )
    assert (last.step, last.value) == (2, pytest.approx(history[-1]["loss"]))
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["loss.png"]


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--work-dir", "--steps", "--seed", "--threads", "--device"):
        assert option in shown
