"""`comparison.json`, read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.made_sweeps import comparison
from runner.analysis.report.compared import FILE, describe_comparison, read_comparison
from runner.errors import ConfigError


def written(folder: Path, content: object) -> Path:
    (folder / FILE).parent.mkdir(parents=True)
    (folder / FILE).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_it_is_read_whole(tmp_path: Path) -> None:
    found = read_comparison(written(tmp_path, comparison()))
    assert found is not None
    assert found.by == ("scheduler", "decoder.steps")
    assert found.baseline == {"scheduler": "ddim", "decoder.steps": "50"}
    assert found.confidence == 0.95
    assert list(found.metrics) == ["ssim", "seconds", "warmth"]
    worse, baseline, *_ = found.metrics["ssim"].rows
    assert (worse.difference, worse.low, worse.high) == (-0.02, -0.04, -0.003)
    assert (baseline.verdict, baseline.difference) == ("baseline", None)


def test_the_page_has_names_that_users_chose_as_values_and_not_as_keys(tmp_path: Path) -> None:
    content = comparison()
    content["by"] = ["__proto__"]
    content["baseline"] = {"__proto__": "1"}
    content["metrics"] = {"__proto__": content["metrics"]["ssim"]}
    for row in content["metrics"]["__proto__"]["rows"]:
        row["choice"] = {"__proto__": "1"}
    found = read_comparison(written(tmp_path, content))
    assert found is not None
    plain = describe_comparison(found)
    assert plain["baseline"] == (("__proto__", "1"),)
    (metric,) = plain["metrics"]
    assert metric["name"] == "__proto__"
    assert metric["rows"][0]["choice"] == (("__proto__", "1"),)
    assert metric["rows"][0]["difference"] == -0.02


def test_none_is_none(tmp_path: Path) -> None:
    assert read_comparison(tmp_path) is None


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in comparison().items() if k != key}


@pytest.mark.parametrize(
    "content",
    [
        {**comparison(), "version": 3},
        without("metrics"),
        {**comparison(), "metrics": {"ssim": {"better": "higher", "rows": [{"n": 1}]}}},
        {**comparison(), "by": 1},
        [],
        "text",
    ],
    ids=["another version", "no metrics", "half a row", "by a number", "a list", "a text"],
)
def test_what_cannot_be_read_is_refused_by_its_name(tmp_path: Path, content: object) -> None:
    with pytest.raises(ConfigError) as refused:
        read_comparison(written(tmp_path, content))
    assert str(tmp_path / FILE) in str(refused.value)
    assert refused.value.exit_status == 2


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, comparison())
    text = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(text[: len(text) // 2])
    with pytest.raises(ConfigError, match="cannot be read"):
        read_comparison(tmp_path)
