"""Files of a comparison: their content, and that no text of a user breaks them."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest

from helpers.fake_sweeps import Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.findings import Comparison
from runner.analysis.comparison.latex import escaped as latex_escaped
from runner.analysis.comparison.latex import latex
from runner.analysis.comparison.markdown import markdown
from runner.analysis.comparison.tables import decimals_for, format_number, tables
from runner.analysis.comparison.writing import as_csv, write

HOSTILE = (
    "plain",
    "a | b",
    r"50% of $x_1^2$ & {more} ~ #1 \input{/etc/passwd}",
    '=HYPERLINK("http://x"),\'"',
    "two\nlines\r\twith\x1b[31m red",
    "<script>alert(1)</script> &lt; [link](http://x) `code` *bold*",
    "-1.5",
    "\u202egnihton\u2066",
    "红色 синий",
    "\ud800 alone",
)
PROMPTS = tuple(f"{name} {place}" for place, name in enumerate(HOSTILE))


def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
    place = HOSTILE.index(choice["negative_prompt"])
    return {
        "quality": seed + place / 10 + 0.01 * ((seed + place) % 3),
        "likeness": 1 / 3 + seed,
        "seconds": 1.0 + place / 100 + seed / 1000,
    } if place or seed else {"quality": 0.0, "seconds": 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def hostile() -> Comparison:
    results = sweep_of(
        {"negative_prompt": HOSTILE, "+decoder.some_key": ("1",)}, score, prompts=PROMPTS,
        better={"quality": "higher", "likeness": None},
    )  # fmt: skip
    return compare(results)


def test_json_is_what_the_page_reads(hostile: Comparison) -> None:
    content = json.loads(hostile.as_json(), parse_constant=pytest.fail)
    assert list(content) == [
        "version", "of", "by", "baseline", "confidence", "note", "metrics", "pareto", "unmeasured"
    ]  # fmt: skip
    assert content["version"] == 2
    assert content["by"] == ["negative_prompt", "+decoder.some_key"]
    assert content["baseline"] == {"negative_prompt": "plain", "+decoder.some_key": "1"}
    assert content["confidence"] == 0.95
    assert "Bonferroni" in content["note"]
    assert {name: m["better"] for name, m in content["metrics"].items()} == {
        "quality": "higher", "likeness": None, "seconds": "lower"
    }  # fmt: skip
    rows = content["metrics"]["quality"]["rows"]
    assert [row["choice"]["negative_prompt"] for row in rows] == list(HOSTILE)
    assert list(rows[0]) == [
        "choice", "n", "mean", "mean_low", "mean_high", "pairs", "difference", "low", "high",
        "verdict",
    ]  # fmt: skip
    assert [row["verdict"] for row in rows] == ["baseline", *["better"] * 9]
    assert (rows[0]["pairs"], rows[0]["difference"], rows[0]["low"]) == (0, None, None)
    assert list(content["pareto"]) == ["quality"]
    point = content["pareto"]["quality"][1]
    assert list(point) == ["choice", "quality", "seconds", "on_front"]
    assert point["quality"] == rows[1]["mean"]


def test_json_is_read_back(hostile: Comparison, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    file.write_bytes(hostile.as_json().encode("utf-8", "replace"))
    again = Comparison.read(file)
    # Half of a surrogate pair is no text: it is written as a question mark.
    assert again.as_json().encode() == file.read_bytes()
    assert again.metrics["seconds"].better == hostile.metrics["seconds"].better
    assert (again.of, again.by, again.baseline) == (hostile.of, hostile.by, hostile.baseline)


def test_csv_has_all_digits_and_no_formula(hostile: Comparison) -> None:
    table = list(csv.reader(io.StringIO(as_csv(hostile))))
    assert table[0] == [
        "metric", "better", "negative_prompt", "'+decoder.some_key", "n", "mean", "mean_low",
        "mean_high", "pairs", "difference", "low", "high", "verdict",
    ]  # fmt: skip
    assert len(table) == 1 + 3 * len(HOSTILE)
    texts = [line[2] for line in table[1:] if line[0] == "quality"]
    # All as they are; only a formula is one no more. A negative number is none.
    changed = {text: f"'{text}" if text.startswith("=") else text for text in HOSTILE}
    assert texts == list(changed.values())
    assert not any(cell.startswith(("=", "+", "@")) for line in table for cell in line)
    second = hostile.metrics["quality"].rows[1]
    line = table[2]
    assert float(line[5]) == second.mean
    assert float(line[9]) == second.difference
    assert float(line[11]) == second.high
    assert line[12] == "better"


def cells_of(line: str) -> list[str]:
    """A row of a Markdown table, as it is shown."""
    parts = re.split(r"(?<!\\)\|", line.replace("\\\\", "\0"))[1:-1]
    return [re.sub(r"\\(.)", r"\1", part).replace("\0", "\\").strip() for part in parts]


def test_markdown_shows_texts_as_they_are(hostile: Comparison) -> None:
    text = markdown(hostile)
    lines = text.splitlines()
    start = lines.index(r"## quality (higher is better)") + 2
    rows = [cells_of(line) for line in lines[start : start + 2 + len(HOSTILE)]]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[0][:3] == ["negative_prompt", "some_key", "n"]
    shown = [row[0] for row in rows[2:]]
    assert shown[:4] == list(HOSTILE[:4])
    assert shown[4] == "two lines with [31m red"
    assert shown[5] == HOSTILE[5]
    # Nothing that Markdown would take for HTML, an entity, or a link.
    assert html.unescape(re.sub(r"\\.", "", text)) == re.sub(r"\\.", "", text)
    assert not re.search(r"(?<!\\)[<\[`*]", text)


def test_latex_sets_texts_as_they_are(hostile: Comparison) -> None:
    text = latex(hostile)
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert "\\input" not in text
    assert r"50\% of \$x\_1\textasciicircum{}2\$ \& \{more\}" in text
    for line in body:
        left = re.sub(r"\\[\\%$&#_{}]", "", line)
        assert left.count("{") == left.count("}")
        assert not re.search(r"[%#<>|\"~^]", left.replace(r"10^{", ""))
        assert left.count("$") % 2 == 0
    columns = {line.count(" & ") for line in body if line.endswith(r"\\") and "pairs" in line}
    rows = {line.count(" & ") for line in body if line.endswith("better \\\\")}
    assert columns == rows
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a--b", "a{-}{-}b"),
        ("\\", r"\textbackslash{}"),
        ("''", r"\textquotesingle{}\textquotesingle{}"),
        ("–", "--"),
        ("синий", "синий"),
    ],
)
def test_latex_signs(text: str, expected: str) -> None:
    assert latex_escaped(text) == expected


def test_all_files_are_written_and_old_pictures_go(hostile: Comparison, tmp_path: Path) -> None:
    (tmp_path / "pareto_mine.png").write_bytes(b"of the user")
    files = write(hostile, tmp_path / "made" / "here")
    assert {file.name for file in files} == {
        "comparison.md", "comparison.csv", "comparison.tex", "comparison.json",
        "pareto_quality.png", "pareto_quality.pdf", "pareto_quality.svg",
    }  # fmt: skip
    assert {file.name for file in (tmp_path / "made" / "here").iterdir()} == {f.name for f in files}

    def other(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        return {"m./up/../x": float(seed), "m.-up-..-x": 1.0, "seconds": 1.0}

    again = compare(sweep_of({"x": ("a", "b")}, other, better={"m": "lower"}))
    named = write(again, tmp_path / "made" / "here")
    pictures = [file for file in named if file.suffix == ".png"]
    assert len(set(pictures)) == 2
    assert {file.parent for file in pictures} == {tmp_path / "made" / "here"}
    assert {file.name for file in pictures[0].parent.iterdir()} == {f.name for f in named}
    write(again, tmp_path)
    assert (tmp_path / "pareto_mine.png").read_bytes() == b"of the user"


def test_the_narrow_table_has_one_column_of_settings(hostile: Comparison) -> None:
    narrow, wide = (tables(hostile, every_axis=flag)[0] for flag in (False, True))
    assert [c.heading for c in narrow.columns] == [
        "negative_prompt, some_key", "n", "mean", "difference", "simultaneous 95 %", "verdict"
    ]  # fmt: skip
    assert [c.heading for c in wide.columns[2:6]] == ["n", "mean", "95 %", "pairs"]
    assert narrow.front is not None
    assert narrow.front.startswith("Worth their seconds: plain, 1")


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "expected"),
    [
        (0.123456, 3, "+", "+0.123"),
        (-0.0001, 3, "+", "0.000"),
        (12.0, 0, "", "12"),
        (1.5e-9, None, "+", "+1.5e-09"),
    ],
)
def test_numbers_as_they_are_shown(
    value: float, decimals: int | None, sign: str, expected: str
) -> None:
    assert format_number(value, decimals, sign) == expected


def test_decimals_show_two_digits_of_an_interval(hostile: Comparison) -> None:
    rows = hostile.metrics["quality"].rows
    decimals = decimals_for(rows)
    assert decimals is not None
    half = sorted((row.high - row.low) / 2 for row in rows if row.high is not None and row.low)
    assert 0 <= decimals <= 6
    assert half
    assert decimals_for([]) == 1
