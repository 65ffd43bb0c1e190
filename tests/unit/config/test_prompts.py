"""Prompt files, whole and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.prompts import prompts_of
from runner.errors import ConfigError
from unit.conftest import Command, assert_refused


def read_prompt_file(path: Path) -> tuple[str, ...]:
    """The prompts of a config that names the file."""
    return prompts_of(None, str(path))


TEXTS = (
    'a "red" circle, large',
    "красный круг",
    "赤い丸 🔴",
    "it's 100% blue; #1",
    "one\u2028line",
)


def test_text_file_has_one_prompt_a_line_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(["", TEXTS[0], "   ", *TEXTS[1:], ""]), encoding="utf-8")
    assert read_prompt_file(file) == TEXTS


def test_more_images_than_can_be_planned_are_refused(tmp_path: Path, command: Command) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(str(n) for n in range(1001)))
    seeds = f"seeds=[{','.join(map(str, range(200)))}]"
    told = command(f"prompt_file={file}", seeds)
    assert_refused(told, f"prompt_file={file}", "1,001 x 200 = 200,200 images", "up to 200,000")


def test_csv_takes_the_column_of_that_name(tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv"
    rows = [f'{n},"{text.replace(chr(34), chr(34) * 2)}",x' for n, text in enumerate(TEXTS)]
    file.write_text("\n".join(["id,prompt,note", *rows]), encoding="utf-8")
    assert read_prompt_file(file) == TEXTS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PartiPrompts.tsv", "Prompt\tCategory\tNote\na bond, 50%\tAbstract\t\n"),
        ("drawbench.csv", 'Prompts,Category\n"a bond, 50%",Colors\n'),
        ("both.csv", 'Prompt,prompt\nanother,"a bond, 50%"\n'),
        ("spaced.csv", 'id, Prompt ,,\n1,"a bond, 50%"\n'),
        ("drawbench.jsonl", '{"Category": "Colors", "Prompts": "a bond, 50%"}\n'),
        ("parti.jsonl", '{"Prompt": "a bond, 50%"}\n'),
    ],
)
def test_benchmarks_load_as_they_are_published(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert prompts_of(None, str(tmp_path / name)) == ("a bond, 50%",)


def test_tsv_knows_no_quoting(tmp_path: Path) -> None:
    file = tmp_path / "prompts.tsv"
    prompts = ('"W O W" on a sign', '"a red circle', 'a blue square"', '"', "it's, 50%")
    lines = [f"{prompt}\tx" for prompt in prompts]
    lines[-1] = prompts[-1]  # what is empty at the end of a line may be missing
    file.write_text("\n".join(["Prompt\tCategory", *lines]), encoding="utf-8")
    assert read_prompt_file(file) == prompts


def test_a_quoted_csv_prompt_may_hold_a_line_break(tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv"
    file.write_text('prompt\n"two\nlines"\n')
    assert read_prompt_file(file) == ("two\nlines",)


def test_jsonl_takes_the_key_of_that_name(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    lines = [json.dumps({"id": 3, "prompt": text}, ensure_ascii=False) for text in TEXTS]
    file.write_text("\n\n".join(lines), encoding="utf-8")
    assert read_prompt_file(file) == TEXTS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "a circle\n"),
        ("p.csv", "prompt\na circle\n"),
        ("p.jsonl", '{"prompt": "a circle"}'),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_prompt(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    assert read_prompt_file(tmp_path / name) == ("a circle",)


@pytest.mark.parametrize("name", ["p.txt", "p.csv", "p.jsonl"])
def test_windows_line_ends(tmp_path: Path, name: str) -> None:
    lines = {"p.txt": "a\r\nb\r\n", "p.csv": "prompt\r\na\r\nb\r\n"}
    content = lines.get(name, '{"prompt": "a"}\r\n{"prompt": "b"}\r\n')
    (tmp_path / name).write_bytes(content.encode())
    assert read_prompt_file(tmp_path / name) == ("a", "b")


def test_the_kind_of_file_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "P.TXT").write_text("a circle")
    assert read_prompt_file(tmp_path / "P.TXT") == ("a circle",)


DAMAGED = [
    ("p.txt", b"", "holds no prompt"),
    ("p.txt", b"\n  \n", "holds no prompt"),
    ("p.txt", b"caf\xe9", "not UTF-8"),
    ("p.txt", "a circle".encode("utf-16"), "not UTF-8"),
    ("p.csv", b"", "no column named 'prompt'"),
    ("p.csv", b"id,text\n1,a\n", "its columns: id, text"),
    ("p.csv", b"prompt\n", "holds no prompt"),
    ("p.csv", b"id,prompt\n1\n", "line 2"),
    ("p.csv", b'prompt\na\n""\n', "line 3"),
    ("p.csv", b'prompt\n"cut off', "from line 2"),
    ("p.csv", b'"prompt"x,seed\na,1\n', "from line 1"),
    ("p.csv", b'"prompt\na\n', "from line 1"),
    ("p.csv", b"prompt\n\na circle, on white\n", "line 3 has 2 cells, and the header 1"),
    ("p.csv", b"id,prompt,id\n1,a,2\n", "two columns named 'id'"),
    ("p.csv", b"Prompt,Prompts\na,b\n", "'Prompt' and 'Prompts'"),
    pytest.param("p.csv", b"prompt\n" + b"a" * 200_000, "from line 2: field larger", id="large"),
    ("p.csv", b"prompt\na\0b\n", "line 2 holds a zero byte"),
    ("p.tsv", b"prompt\ta\nb\tc\td\n", "line 2 has 3 cells, and the header 2"),
    ("p.tsv", "prompt\n".encode("utf-16-le"), "not UTF-8 text (line 1"),
    ("p.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "line 2 is not JSON"),
    ("p.jsonl", b'{"text": "a"}', "line 1 has no column named 'prompt'; its columns: text"),
    ("p.jsonl", b'["a"]', "line 1 is no object"),
    ("p.jsonl", b'{"prompt": "a", "prompt": "b"}', "line 1 has two values named 'prompt'"),
    pytest.param("p.jsonl", b'{"n": ' + b"[" * 100_000, "line 1 is nested too deeply", id="deep"),
    pytest.param("p.jsonl", b'{"n": ' + b"7" * 5000 + b"}", "line 1 cannot be read", id="huge"),
    ("p.jsonl", b'{"prompt": 1e999}', "line 1=inf: is float, not text\n  allowed: a text with"),
    ("p.jsonl", b'{"prompt": "a\\u0000b"}', "holds a NUL character"),
    ("p.jsonl", b'{"prompt": "a\\ud800b"}', "is no UTF-8 text"),
    ("p.jsonl", b'{"prompt": 3}', "line 1"),
    ("p.jsonl", b'{"prompt": " "}', "line 1"),
    ("p.yaml", b"- a", ".txt, .csv, .tsv, .jsonl"),
    ("p.txt", b"a\0b", "line 1 holds a zero byte"),
    ("p", b"a", ".txt, .csv, .tsv, .jsonl"),
]


@pytest.mark.parametrize(("name", "content", "part"), DAMAGED)
def test_damaged_file_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, part: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_prompt_file(file)
    assert f"prompt_file={file}" in str(caught.value)
    assert part in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    for name in ("none.txt", "folder.txt"):
        with pytest.raises(ConfigError, match=f"{name}: cannot be read"):
            read_prompt_file(tmp_path / name)


def test_a_prompt_file_takes_the_place_of_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("from the file")
    assert prompts_of("from the config", str(tmp_path / "p.txt")) == ("from the file",)


def test_the_command_reads_and_refuses_prompt_files(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text("prompt\na red circle\na blue cross\n")
    assert "2 images (2 prompts x 1 seed)" in command("plan", f"prompt_file={file}").out
    file.write_text("text\na\n")
    assert_refused(command("plan", f"prompt_file={file}"), f"prompt_file={file}", "prompt")


FUZZED = 200
"""Files of each kind: any bytes, or a good file with some bytes changed."""
GOOD = {
    ".txt": b"a red circle\r\n\n\xef\xbb\xbfa blue square",
    ".csv": b'id,prompt,x\n1,"a ""red"", circle",\n2,a blue square\n',
    ".tsv": b'Prompt\tCategory\n"a red circle"\tx\na blue square\n',
    ".jsonl": b'{"id": 1, "prompt": "a red circle"}\n{"Prompt": "\\u00fc", "n": [1e9, {}]}\n',
}
MARKS = [b'"', b"\t", b",", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"[" * 9999, b"}",
         b"\\", b"9" * 5000, b"prompt", b"x" * 140_000]  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_any_file_is_read_or_refused_in_one_message(kind: str, tmp_path: Path) -> None:
    file, good = tmp_path / f"p{kind}", GOOD[kind]
    place = st.integers(0, len(good))
    change = st.tuples(place, st.integers(0, 3), st.sampled_from(MARKS))
    read, refused = list[str](), list[str]()

    @settings(max_examples=FUZZED, derandomize=True, database=None, deadline=None)
    @given(st.binary(max_size=60) | st.lists(change, min_size=1, max_size=4))
    def each(made: bytes | list[tuple[int, int, bytes]]) -> None:
        content = made if isinstance(made, bytes) else good
        for at, removed, mark in [] if isinstance(made, bytes) else made:
            content = content[:at] + mark + content[at + removed :]
        file.write_bytes(content)
        try:
            read.extend(read_prompt_file(file))
        except ConfigError as error:
            refused.append(str(error))

    each()
    assert all(text.strip() and "\0" not in text for text in read)
    assert all(message.startswith(f"prompt_file={file}") for message in refused)
    assert min(len(read), len(refused)) > FUZZED / 20


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.csv", "prompt,seed,Image,note\na,1,b.png,x\n", "seed, Image are"),
        ("a.tsv", "Prompts\tnegative_prompt\na\tb\n", "negative_prompt is"),
        ("a.jsonl", '{"prompt": "a"}\n\n{"prompt": "b", "steps": 5}\n', "steps is"),
        ("a.csv", "id,prompt,category,note\n1,a,b,c\n", None),
        ("a.txt", "seed,prompt\n", None),
    ],
)
def test_columns_that_read_like_settings_are_told(
    command: Command, name: str, text: str, columns: str | None
) -> None:
    Path(name).write_text(text)
    said = command("plan", f"prompt_file={name}")
    assert said.status == 0
    assert ("not read, prompts alone are" in said.out) == (columns is not None)
    assert columns is None or f"{columns} not read" in said.out


def test_a_prompt_beside_a_prompt_file_is_refused(command: Command) -> None:
    Path("a.txt").write_text("a red circle\n")
    said = command("plan", "prompt=a dog", "prompt_file=a.txt")
    assert_refused(said, "prompt=a dog: prompt_file=a.txt is set too", "prompt=null")
    assert command("plan", "prompt=null", "prompt_file=a.txt").status == 0
