"""Scores of judges: equal to what their own code computes, whatever layout they come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import BertTokenizer, CLIPImageProcessorPil, CLIPTokenizer

from functional.made import STEPS, Made
from hub_stand_in import Hub
from judges import as_published, published
from judges.published import SIDE
from runner.catalog.judges import JUDGES
from runner.cli import main
from runner.pipelines.assemble import assembled
from runner.pipelines.judge_layouts import clip_of_open_clip
from runner.pipelines.judged_pictures import DEVIATION, MEAN, cropped, filled
from runner.pipelines.judges import AestheticScore
from runner.weights.hashes import FileHashes
from runner.weights.judges import AskedJudge, find_judge

PROMPTS = ["a red circle on a white background", "two cats and a house " * 30]
NAMES = ("pick_score", "hps_v2", "hps_v2_1", "image_reward", "aesthetic_score")
CLOSE = 1e-5


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judges")
    published.clip_tokenizer(folder / "clip-h")
    published.bert_tokenizer(folder / "bert")
    published.pick_score(folder / "pick")
    published.hps(folder / "hps")
    published.hps(folder / "hps", "HPS_v2_compressed.pt")
    published.image_reward(folder / "reward")
    published.aesthetic(folder / "aesthetic")
    return folder


def places(folder: Path) -> list[str]:
    """The arguments that say where each judge is."""
    at = {
        "pick_score": ("pick", "clip-h"),
        "hps_v2": ("hps", "clip-h"),
        "hps_v2_1": ("hps", "clip-h"),
        "image_reward": ("reward", "bert"),
        "aesthetic_score": ("aesthetic", None),
    }
    told = []
    for name, (model, tokenizer) in at.items():
        told.append(f"metrics.{name}.arguments.model={folder / model}")
        if tokenizer is not None:
            told.append(f"metrics.{name}.arguments.tokenizer={folder / tokenizer}")
    return told


def expected(folder: Path, image: Image.Image, prompt: str) -> dict[str, float]:
    """All scores, by plain torch and by the calls of PickScore's card."""
    words = CLIPTokenizer.from_pretrained(str(folder / "clip-h"))
    ids = words(prompt, truncation=True, max_length=77, return_tensors="pt").input_ids
    short = BertTokenizer.from_pretrained(str(folder / "bert"))(
        prompt, truncation=True, max_length=35, return_tensors="pt"
    ).input_ids
    pixels = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )(image, return_tensors="pt").pixel_values
    half = {name: tensor.half().float() for name, tensor in published.open_clip().items()}
    pick, rated = published.clip_model("pick_score"), published.clip_model("aesthetic")
    with torch.inference_mode():
        hps = as_published.hps(half, filled(image, SIDE), ids)
        seen = pick.get_image_features(pixel_values=pixels).pooler_output
        read = pick.get_text_features(input_ids=ids).pooler_output
        seen, read = (one / one.norm(dim=-1, keepdim=True) for one in (seen, read))
        embedded = rated.get_image_features(pixel_values=pixels).pooler_output
        embedded = embedded / embedded.norm(dim=-1, keepdim=True)
        return {
            "pick_score": float(pick.logit_scale.exp() * (read @ seen.T)[0]),
            "hps_v2": hps,
            "hps_v2_1": hps,
            "image_reward": as_published.image_reward(published.reward(), pixels, short),
            "aesthetic_score": as_published.head(
                published.head("layers", published.PROJECTION), "layers", embedded
            ),
        }


@pytest.mark.slow
def test_scores_are_those_of_the_judges_own_code(
    repositories: Path, kandinsky: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (f"prompt={json.dumps(PROMPTS)}", f"metrics=[{','.join(NAMES)}]")
    made: Made = kandinsky(*given, *places(repositories))
    images = made.manifest["images"]
    for file, image in zip(made.files, images, strict=True):
        with Image.open(file) as opened:
            wanted = expected(repositories, opened.convert("RGB"), image["prompt"])
        assert image["scores"] == {name: pytest.approx(wanted[name], abs=CLOSE) for name in NAMES}
    # They look at text and picture: no score is the same for both.
    for name in NAMES:
        assert abs(images[0]["scores"][name] - images[1]["scores"][name]) > 10 * CLOSE
    weights = made.manifest["environment"]["weights"]
    assert weights["judge_hps_v2_1"]["pickled"] == ["."]
    assert weights["judge_pick_score"]["repo"] == "yuvalkirstain/PickScore_v1"
    assert all(weights[f"judge_{name}"]["sha256"] for name in NAMES)


@pytest.mark.slow
def test_judges_come_from_the_hub_where_it_is_allowed_and_then_from_its_cache(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KANDINSKY_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("KANDINSKY_HUB_PATIENCE", "0")
    model = "zai-org/ImageReward"
    folder = published.image_reward(tmp_path / "reward")
    (folder / "test_images.zip").write_bytes(b"Nobody asks for it.")
    hub.add(model, folder)
    hub.add("google-bert/bert-base-uncased", published.bert_tokenizer(tmp_path / "bert"))
    judged = ("metrics=[image_reward]", "tracking=none", "progress=quiet", "height=64", *STEPS)
    assert main([*judged]) == 2
    said = capsys.readouterr().err
    assert f"metrics.image_reward.arguments.model={model}: is no folder and not in" in said
    assert f"hf download {model}` before; or weights=hub" in said
    assert not hub.requests
    assert main(["plan", "weights=hub", *judged]) == 0
    planned = capsys.readouterr().out
    assert f"judge_image_reward {model}" in planned
    assert "2 files not on disk" in planned
    assert main(["download", "weights=hub", *judged]) == 0
    home = tmp_path / "hf_home" / "hub" / "models--zai-org--ImageReward"
    fetched = {file.name for file in home.glob("snapshots/*/*")}
    assert fetched == {"ImageReward.pt", "med_config.json"}
    hub.requests.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main([*judged]) == 0
    assert not hub.requests


def test_the_layers_and_the_clip_of_the_first_release_score_alike(
    repositories: Path, tmp_path: Path
) -> None:
    model = published.aesthetic_layers(tmp_path / "layers")
    clip = published.clip(tmp_path / "clip")
    picture = Image.effect_noise((48, 40), 80).convert("RGB")
    scores = []
    for places in (
        {"model": str(repositories / "aesthetic"), "clip": None},
        {"model": str(model), "clip": str(clip)},
    ):
        asked = AskedJudge("judge", JUDGES["aesthetic_score"], "arguments", places)
        checked = find_judge(asked, FileHashes(None), may_download=False)["judge"].checked
        assert checked is not None
        with assembled(checked) as folder:
            judge = AestheticScore.from_folder(folder, torch.float32)
        scores.append(judge.score(picture))
    assert scores[0] == scores[1]


def test_an_odd_rest_is_cut_as_each_library_does() -> None:
    columns = Image.new("RGB", (35, 32))
    for x in range(35):
        columns.paste((x, x, x), (x, 0, x + 1, 32))

    def first(rounds: bool) -> float:
        pixels = cropped(columns, 32, rounds=rounds)[0, 0, 0, 0]
        return float(pixels) * DEVIATION[0] * 255 + MEAN[0] * 255

    assert first(rounds=True) == pytest.approx(2, abs=1e-3)  # round(1.5)
    assert first(rounds=False) == pytest.approx(1, abs=1e-3)


def test_hps_sees_the_whole_of_a_long_picture() -> None:
    wide = Image.new("RGB", (64, 33), "white")
    pixels = filled(wide, 32)
    rows = (pixels[0, 0, :, 0] * DEVIATION[0] + MEAN[0]).round(decimals=4).tolist()
    assert rows == [0.0] * 8 + [1.0] * 16 + [0.0] * 8


def test_a_tensor_of_another_model_is_told() -> None:
    with pytest.raises(ValueError, match=r"visual\.trunk\.stem\.weight is no tensor"):
        clip_of_open_clip({"visual.trunk.stem.weight": torch.zeros(1)})
