"""`axes` and keys that change together, from the command line and from a file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from runner.config.cell import Cell
from runner.config.hydra.single import combinations, complete, compose_one
from runner.planning.sweep_command import as_axes, command_of
from unit.conftest import Command, assert_refused

ONLY_WHERE = "axes=[{scheduler: ddpm}, {scheduler: ddim, scheduler.eta: [0, 0.5]}]"


def cells_of(out: str) -> list[str]:
    """The lines of a plan that list the cells, without their numbers."""
    lines = out.partition("cells\n  0 ")[2].splitlines()
    listed = [lines[0], *(line for line in lines[1:] if line[2:3].isdigit())]
    return [line.strip().partition(" ")[2].strip() if n else line.strip()
            for n, line in enumerate(listed) if "=" in line and "cell" not in line]  # fmt: skip


def test_a_value_only_where_another_holds(command: Command) -> None:
    said = command("plan", ONLY_WHERE, "decoder.guidance_scale=1,4")
    assert said.status == 0, said.err
    assert said.out.startswith("6 cells, 6 images\n")
    assert "axes (6 of 12 combinations)\n" in said.out
    # Where a cell says nothing of a key, its own value stands there.
    assert cells_of(said.out) == [
        f"{chosen} decoder.guidance_scale={scale}"
        for chosen in ("scheduler=ddpm scheduler.eta=null", "scheduler=ddim scheduler.eta=0",
                       "scheduler=ddim scheduler.eta=0.5")
        for scale in (1, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("set_in_one", "value", "of_the_others"),
    [
        ("quantize.denoiser", "fp8", "none"),
        ("any_size", "true", "false"),
        ("graphs", "off", "auto"),
        ("lora", "[{path: x.safetensors}]", "[]"),
    ],
)
def test_a_key_that_records_leave_out_has_its_default(
    set_in_one: str, value: str, of_the_others: str
) -> None:
    cells = combinations(
        [f"axes=[{{{set_in_one}: [{value}]}}, {{decoder.num_inference_steps: 9}}]"]
    )
    _, other = complete([Cell(n, tuple(cell), compose_one(cell)) for n, cell in enumerate(cells)])
    assert f"{set_in_one}={of_the_others}" in other.overrides


def test_what_excludes_a_key_of_a_file_s_axes_is_said_instead_of_it(
    command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    axes = "[{inputs.mask: [a.png, b.png], scheduler: [ddim, ddpm]}]"
    file.write_text(f"# @package _global_\naxes: {axes}\n")
    Image.new("RGB", (64, 64)).save("in.png")
    said = command(
        "plan", "--config-dir", str(tmp_path / "own"), "experiment=mine", "task=inpaint",
        "inputs.image=in.png", "inputs.mask_box=[0,0,8,8]",
    )  # fmt: skip
    assert cells_of(said.out) == ["scheduler=ddim", "scheduler=ddpm"], said.err


def test_values_that_change_together(command: Command) -> None:
    said = command("plan", "-m", "scheduler=ddim,ddpm", "height,width=[64,128],[128,64]")
    assert cells_of(said.out) == [
        f"height={height} width={width} scheduler={scheduler}"
        for height, width in ((64, 128), (128, 64))
        for scheduler in ("ddim", "ddpm")
    ]
    assert_refused(command("plan", "height,width=[64,128]"), "height,width=[64,128]", "-m")
    assert_refused(command("plan", "-m", "height,width=64,128"), "is no list of 2 values")


def test_a_file_says_the_same_in_yaml_and_is_a_sweep(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    axes = "axes:\n  - scheduler: ddpm\n  - scheduler: ddim\n    scheduler.eta: [0, 0.5]\n"
    file.write_text(f"# @package _global_\nname: default\n{axes}")
    own = ("--config-dir", str(tmp_path / "own"))
    from_file = command("plan", *own, "experiment=mine")
    assert cells_of(from_file.out) == cells_of(command("plan", ONLY_WHERE).out)
    assert command("plan", *own, "experiment=mine", "axes=null").out.startswith("default: ")
    instead = command("plan", *own, "experiment=mine", ONLY_WHERE.replace("ddpm", "lcm"))
    assert cells_of(instead.out)[0] == "scheduler=lcm scheduler.eta=null"
    among_others = command("plan", "-m", *own, "experiment=mine,first_light")
    assert_refused(among_others, "is part of one", "an experiment by itself")


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (["-m", "scheduler=lcm,ddim"], ["scheduler=lcm", "scheduler=ddim"]),
        (["-m", "scheduler=ddim", "scheduler.eta=0,1"], ["scheduler.eta=0", "scheduler.eta=1"]),
        (["-m", "scheduler,height=[lcm,64],[ddim,128]"],
         ["scheduler=lcm height=64", "scheduler=ddim height=128"]),
    ],
)  # fmt: skip
def test_what_is_said_wins_over_a_file_s_axes(
    command: Command, tmp_path: Path, arguments: list[str], cells: list[str]
) -> None:
    """As everywhere in Hydra. A choice of a group takes the keys of its option with it."""
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    axes = "[{scheduler: [ddpm, ddim]}, {scheduler: ddim, scheduler.eta: [0, 0.5]}]"
    file.write_text(f"# @package _global_\naxes: {axes}\n")
    own = ("--config-dir", str(tmp_path / "own"))
    said = command("plan", *own, "experiment=mine", *arguments)
    assert cells_of(said.out) == cells, said.err


def test_launchers_of_other_packages_run_each_cell(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "own" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\naxes: [{scheduler: ddpm}, {height: 64}]\n")
    basic = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
    said = command(
        "plan", "--config-dir", str(tmp_path / "own"), "experiment=mine",
        f"hydra.launcher._target_={basic}",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert [line.split(",")[1] for line in said.out.splitlines() if line.startswith("mine:")] == [
        " 128 x 128", " 128 x 64"
    ]  # fmt: skip


def test_an_option_that_yaml_reads_as_a_truth_value_is_an_option(command: Command) -> None:
    said = command("plan", "axes={cache: [off, use], corrections: [on, off]}")
    assert cells_of(said.out)[0] == "cache=off corrections=true"


def test_a_text_of_axes_is_that_text(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote the rows says no variable of this machine, nor a key of the config."""
    monkeypatch.setenv("SECRET", "hunter2")
    texts = ["a ${oc.env:SECRET}", "a ${name}, ${x}", "a \\${name}", "${height}"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"prompt": text}) for text in texts))
    said = command("plan", f"axes={rows}", "--graph", "plan.mmd")
    assert said.status == 0, said.err
    drawn = Path("plan.mmd").read_text()
    assert "hunter2" not in drawn + said.out
    cells = combinations([], [{"prompt": texts}])
    assert [compose_one(cell).prompts for cell in cells] == [(text,) for text in texts]
    # As a sweep of them would be run again.
    again = shlex.split(command_of(cells, {"prompt": [c[0][7:] for c in cells]}, ()))
    listed = combinations([one for one in again if one.startswith("prompt=")])
    assert [compose_one(cell).prompts for cell in listed] == [(text,) for text in texts]
    (axes,) = combinations([as_axes([{"prompt": cells[1][0][7:], "seeds": "['1',2]"}])])
    assert compose_one(axes).prompts == (texts[1],)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("lora=[{path:a.safetensors,weight:0.5}]", "lora=[{path: 'a.safetensors',weight: 0.5}]"),
        (r"lora=[{path:mini\:stripes}]", "lora=[{path: 'mini:stripes'}]"),
        (
            "interpolate.items=[{text:'{a:b, c'},{image:x.png}]",
            "interpolate.items=[{text: '{a:b, c'},{image: 'x.png'}]",
        ),
        ("decoder={guidance_scale:2.5}", "decoder={guidance_scale: 2.5}"),
    ],
)
def test_a_value_that_holds_names_is_what_hydra_reads(text: str, meant: str) -> None:
    """Hydra writes it without the space that YAML wants after a name."""
    key, _, value = text.partition("=")
    assert combinations([as_axes([{key: value}])]) == [[meant]]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("scheduler=[ddim,ddpm]",), ("scheduler=[ddim,ddpm]: is a list", "-m scheduler=ddim")),
        (("scheduler=ddim,ddpm",), ("one of them; a sweep: -m scheduler=ddim,ddpm",)),
        ((ONLY_WHERE, "baseline='scheduler=ddpm'"), ("such as scheduler=ddpm scheduler.eta=null",)),
        ((ONLY_WHERE, "scheduler=ddpm"), ("scheduler=ddpm: is in two axes", "axes=null")),
        (("-m", ONLY_WHERE, "scheduler.eta,height=[0,64]"), ("scheduler.eta=0: is in two axes",)),
        (("axes={schedular: [ddim]}",), ("schedular", "no such key")),
        (("axes={scheduler: [ddim, ddpn]}",), ("scheduler=ddpn: no such option",)),
        (("axes=[{metrics: [[sharpness]]}, {height: 64}]",), ("metrics={}: is set in some",)),
        (("-m", "height,width=[64,64]", "hydra/sweeper=optuna"), ("need hydra/sweeper=cells",)),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    command: Command, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    assert_refused(command("plan", *arguments), *parts)


def test_a_sweeper_that_chooses_the_cells_takes_no_axes(command: Command) -> None:
    said = command("plan", "axes={height: [64]}", "hydra/sweeper=optuna")
    assert said.status == 2
    shown = "{height: [64]}"
    assert f"error: axes={shown}: says the cells, and hydra/sweeper=optuna chooses" in said.err


def test_the_command_of_a_sweep_gives_its_cells_again(command: Command) -> None:
    """Also of one that is no product, with texts that hold quotes and commas, and lists."""
    prompts = ["prompt='it\\'s, red'", 'prompt="a \\"blue\\" ball"']
    pairs = [["scheduler=ddim", "seeds=[0,1]"], ["scheduler=ddpm", "seeds=[2]"]]
    cells = [["height=64", *pair, one] for pair in pairs for one in prompts]
    axes = {
        "scheduler": ["ddim", "ddpm"],
        "seeds": ["[0,1]", "[2]"],
        "prompt": [one.partition("=")[2] for one in prompts],
    }
    free = command_of(cells, axes, ())
    assert 'axes=[{"scheduler": "ddim", "seeds": [[0, 1]]}, {"scheduler"' in free
    # One is missing: the prompt is no free axis any more.
    listed = command_of(cells[:3], axes, ["--config-dir", "own"])
    assert listed.startswith('kandinsky run --config-dir own -m height=64 \'axes=[{"scheduler"')
    for text, made in ((free, cells), (listed.replace("--config-dir own ", ""), cells[:3])):
        said = command("plan", *shlex.split(text)[2:])
        assert said.status == 0, said.err
        shown = [" ".join(one[1:]) for one in made]
        quotes = str.maketrans("", "", "\"'\\")
        assert [c.translate(quotes) for c in cells_of(said.out)] == [
            c.translate(quotes) for c in shown
        ]


def test_the_command_of_many_rows_is_there_at_once() -> None:
    keys = ("prompt", "negative_prompt", "seeds", "height", "width")
    cells = [tuple(f"{key}={key[0]}{row}" for key in keys) for row in range(300)]
    axes = {key: [f"{key[0]}{row}" for row in range(300)] for key in keys}
    written = command_of(cells, axes, ())  # all combinations would be 300 ** 5
    assert written.count('"n17"') == 1
