"""Files whose rows are the cells of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config.axes import settings_of
from runner.errors import ConfigError
from unit.conftest import Command, assert_refused, write_pictures

TABLE = "prompt,negative_prompt,seed,decoder.guidance_scale,scheduler\n"
WRITTEN = {
    "a.csv": TABLE + '"a red circle, large",blue,7,2.5,ddpm\n3,,8,,\n\n',
    "spreadsheet.csv": f",,,,\n{TABLE}"
    '"a red circle, large",blue,7,2.5,ddpm\n, ,,,,\n3,,8,,\n,,,,,,\n',
    "a.tsv": TABLE.replace(",", "\t") + "a red circle, large\tblue\t7\t2.5\tddpm\n3\t\t8\n",
    "a.jsonl": '{"prompt": "a red circle, large", "negative_prompt": "blue", "seed": 7, '
    '"decoder.guidance_scale": 2.5, "scheduler": "ddpm"}\n{"prompt": "3", "seed": 8}\n',
    "a.yaml": "- prompt: a red circle, large\n  negative_prompt: blue\n  seed: 7\n"
    "  decoder.guidance_scale: 2.5\n  scheduler: ddpm\n- {prompt: '3', seeds: [8]}\n",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_each_row_is_a_cell(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / name).write_text(WRITTEN[name])
    for path in (str(tmp_path / name), f"~/{name}"):
        assert settings_of(path) == [
            {"prompt": "a red circle, large", "negative_prompt": "blue", "seeds": [7],
             "decoder.guidance_scale": 2.5, "scheduler": "ddpm"},
            {"prompt": "3", "seeds": [8]},
        ]  # fmt: skip


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("image,mask,hint,height\nin/a.png,/b.png,https://c/d.png,\n~/a.png,,,64\n")
    assert settings_of([str(file)]) == [
        {"inputs.image": f"{tmp_path}/in/a.png", "inputs.mask": "/b.png",
         "inputs.hint": "https://c/d.png"},
        {"inputs.image": "~/a.png", "height": 64},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "prompt,promt\na,b\n", "line 2: column 'promt': no such key (near: prompt"),
        ("a.csv", "prompt,axes\na,b\n", "line 2: column 'axes' is the same for all cells"),
        ("a.csv", "seed\nx\n", "line 2: column 'seed': 'x' is no whole number"),
        ("a.csv", "seed,seeds\n1,2\n", "line 2: column 'seeds' says seeds a second time"),
        ("a.csv", "a,a\n1,2\n", "two columns named 'a'"),
        ("a.csv", "prompt\na,b\n", "line 2 has 2 cells, and the header 1"),
        ("a.csv", 'prompt\n"a\n', "from line 2: unexpected end of data"),
        ("a.csv", "prompt\n", "holds no row"),
        ("a.txt", "a\n", "not a kind of file with records"),
        ("a.jsonl", "{\n", "line 1 is not JSON"),
        ("a.jsonl", '{"prompt": "a"}\n3\n', "line 2 is no object"),
        ("a.jsonl", '{"prompt": "a", "prompt": "b"}\n', "line 1 has two values named 'prompt'"),
        ("a.yaml", "prompt: a\n", "is no list of records"),
        ("a.yaml", "- {prompt: a, steps: 3}\n", "record 1: column 'steps': no such key"),
        ("none.csv", None, "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_read_is_told_with_file_row_and_column(
    name: str, text: str | None, said: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        settings_of(str(tmp_path / name))
    assert f"axes={tmp_path / name}: " in str(caught.value)
    assert said in str(caught.value)


def test_rows_are_planned_and_checked_like_any_cell(command: Command, tmp_path: Path) -> None:
    write_pictures(tmp_path)
    file = tmp_path / "rows.csv"
    file.write_text(
        "task,image,prompt,seed,strength\nimg2img,a.png,a red circle,3,0.5\ntext2img,,a cross,4,\n"
    )
    said = command("plan", f"axes={file}", "scheduler=ddim,ddpm")
    assert said.status == 0, said.err
    assert said.out.startswith("4 cells, 4 images\n")
    assert "axes (4 of 64 combinations)" in said.out
    file.write_text("prompt,hight\na red circle,64\n")
    refused = command("plan", f"axes={file}")
    assert_refused(refused, "column 'hight': no such key (near: ")
    assert refused.err.count("hight") == 1
    file.write_text("prompt,height\na red circle,65\n")
    assert_refused(command("plan", f"axes={file}"), "cell 0 (prompt=a red circle height=65)")
