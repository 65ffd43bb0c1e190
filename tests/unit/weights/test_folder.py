"""Checkpoint folders: what is read from them, what is refused, and their identity."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.kandinsky2_1 import DECODER_2_1
from runner.catalog.kandinsky2_2 import CONTROLNET_2_2, DECODER_2_2, INPAINT_2_2, PRIOR_2_2
from runner.catalog.kandinsky3 import DECODER_3, TEXT_3
from runner.config.choices import Precision
from runner.errors import WeightsError
from runner.weights.folder import CheckedFolder, check_folder
from runner.weights.hashes import FileHashes


@pytest.fixture
def decoder(family: Path) -> Path:
    return family / DECODER_2_2.folder


@pytest.fixture
def movq(decoder: Path) -> Path:
    return decoder / "movq" / "diffusion_pytorch_model.safetensors"


def check(folder: Path, variant: str | None = None) -> CheckedFolder:
    return check_folder(folder, DECODER_2_2, variant, "weights", FileHashes(None))


def change_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_what_is_read_from_a_whole_checkpoint(decoder: Path) -> None:
    found = check(decoder)
    config = json.loads((decoder / "unet" / "config.json").read_text())
    files = list(decoder.rglob("*.safetensors"))
    assert found.path == decoder
    assert set(found.parameters) == {"unet", "movq"}
    assert found.bytes == sum(file.stat().st_size for file in files)
    assert found.embedding_size == config["encoder_hid_dim"]
    assert found.native_size == 128
    own = json.loads((decoder / "scheduler" / "scheduler_config.json").read_text())
    assert found.schedulers == {"": own}


def test_2_1_has_a_second_scheduler_for_ddpm(random_weights: Path) -> None:
    path = random_weights / DECODER_2_1.folder
    found = check_folder(path, DECODER_2_1, None, "weights", FileHashes(None))
    assert set(found.schedulers) == {"", "ddpm"}
    assert found.schedulers[""]["_class_name"] == "DDIMScheduler"
    assert found.schedulers["ddpm"]["_class_name"] == "DDPMScheduler"


def test_the_prior_tells_the_same_width(family: Path, decoder: Path) -> None:
    prior = check_folder(family / PRIOR_2_2.folder, PRIOR_2_2, None, "weights", FileHashes(None))
    assert prior.embedding_size == check(decoder).embedding_size
    assert prior.native_size is None


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def damage_header(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[8:12] = b"\xff\xff\xff\xff"
    file.write_bytes(content)


def to_pointer(file: Path) -> None:
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")


def to_pickle(file: Path) -> None:
    file.rename(file.with_suffix(".bin"))


def to_ema(file: Path) -> None:
    file.rename(file.with_suffix(".ema.safetensors"))


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (cut, "its header says"),
        (damage_header, "header is damaged"),
        (to_pointer, "git lfs pull"),
        (to_pickle, "no file of torch.save"),
        (to_ema, "has no weights but of the variants ema"),
        (Path.unlink, "has no weights"),
    ],
)
def test_damaged_weights_are_refused_by_name(
    movq: Path, damage: Callable[[Path], None], part: str
) -> None:
    damage(movq)
    with pytest.raises(WeightsError) as caught:
        check(movq.parents[1])
    assert str(movq.parent) in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize("module", DECODER_2_2.modules)
def test_a_missing_module_is_refused(decoder: Path, module: str) -> None:
    shutil.rmtree(decoder / module)
    with pytest.raises(WeightsError, match=f"{module}.config.json: is not there"):
        check(decoder)


@pytest.mark.parametrize(
    "named", [None, [], {}, 3, "../model.safetensors", "/etc/passwd", "", "x.bin"], ids=str
)
def test_an_index_that_names_other_files_than_its_shards_is_refused(
    random_weights: Path, tmp_path: Path, named: object
) -> None:
    folder = shutil.copytree(random_weights / TEXT_3.folder, tmp_path / TEXT_3.folder)
    (index,) = (folder / "text_encoder").glob("*.index.*json")
    tensors = json.loads(index.read_text())["weight_map"]
    is_map = named is None or isinstance(named, list | dict)
    tensors = named if is_map else {**tensors, min(tensors): named}
    change_json(index, weight_map=tensors)
    with pytest.raises(WeightsError, match=r"index\..*: (has no weight_map|names '.*none of its)"):
        check_folder(folder, TEXT_3, None, "weights", FileHashes(None), Precision.fp16)


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b""])
def test_unreadable_json_is_refused(decoder: Path, name: str, content: bytes) -> None:
    (decoder / name).write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        check(decoder)
    assert str(decoder / name) in str(caught.value)


def test_a_missing_scheduler_is_refused(decoder: Path) -> None:
    (decoder / "scheduler" / "scheduler_config.json").unlink()
    with pytest.raises(WeightsError, match=r"scheduler_config\.json: is not there"):
        check(decoder)


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "image_processor/preprocessor_config.json",
    ],
)
def test_a_missing_part_beside_the_models_is_refused(family: Path, name: str) -> None:
    prior = family / PRIOR_2_2.folder
    (prior / name).unlink()
    with pytest.raises(WeightsError, match=f"{name}: is not there"):
        check_folder(prior, PRIOR_2_2, None, "weights", FileHashes(None))


@pytest.mark.parametrize(
    "checkpoint", [INPAINT_2_2, CONTROLNET_2_2, DECODER_2_1, PRIOR_2_2, DECODER_3]
)
def test_another_models_checkpoint_is_refused(decoder: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(WeightsError) as caught:
        check_folder(decoder, checkpoint, None, "weights", FileHashes(None))
    assert str(decoder) in str(caught.value)


def test_weights_count_and_not_the_class_that_is_named(decoder: Path) -> None:
    change_json(decoder / "model_index.json", _class_name="StableDiffusionPipeline")
    assert check(decoder).parameters
    change_json(decoder / "unet" / "config.json", in_channels=9)
    with pytest.raises(WeightsError, match="in_channels of its unet is 4 in its weights, and 9"):
        check(decoder)


def test_the_variant_is_the_one_that_the_precision_needs(decoder: Path) -> None:
    for file in list((decoder / "unet").glob("*.safetensors")):
        shutil.copy(file, file.with_suffix(".fp16.safetensors"))
    for precision, variant in ((Precision.fp32, None), (Precision.fp16, "fp16")):
        found = check_folder(decoder, DECODER_2_2, None, "weights", FileHashes(None), precision)
        assert found.variant == variant
    for file in (decoder / "unet").glob("*model.safetensors"):
        file.unlink()
    assert check(decoder).variant == "fp16"


def test_a_variant_that_is_not_there(decoder: Path) -> None:
    with pytest.raises(WeightsError, match="variant 'fp16'"):
        check(decoder, "fp16")


def test_a_variant_is_taken_alone(decoder: Path) -> None:
    plain = check(decoder)
    for file in list(decoder.rglob("*.safetensors")):
        shutil.copy(file, file.with_suffix(".fp16.safetensors"))
    assert check(decoder).fingerprint == plain.fingerprint
    assert check(decoder, "fp16").parameters == plain.parameters
    assert check(decoder, "fp16").fingerprint != plain.fingerprint


def test_identity_does_not_depend_on_the_path(decoder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(decoder, other)
    assert check(other).fingerprint == check(decoder).fingerprint


def test_one_changed_byte_is_another_identity(decoder: Path, movq: Path) -> None:
    before = check(decoder).fingerprint
    content = bytearray(movq.read_bytes())
    content[-1] ^= 1
    movq.write_bytes(content)
    assert check(decoder).fingerprint != before


def test_a_changed_config_is_another_identity(decoder: Path) -> None:
    before = check(decoder).fingerprint
    change_json(decoder / "scheduler" / "scheduler_config.json", beta_end=0.013)
    assert check(decoder).fingerprint != before


def test_readme_and_hidden_files_are_no_part_of_it(decoder: Path) -> None:
    before = check(decoder).fingerprint
    (decoder / "README.md").write_text("# A model")
    (decoder / ".cache").mkdir()
    (decoder / ".cache" / "notes.json").write_text("{}")
    assert check(decoder).fingerprint == before
