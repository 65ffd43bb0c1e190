"""`kandinsky reproduce` of somebody else's record: it decides what is drawn, and nothing else."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fuzzing import SAME
from runner.cli import main
from runner.config.hydra.tree import config_dir
from runner.config.schema import Config
from runner.runs.rerun import DRAWN
from strangers.handed_over import VALUES, places
from strangers.watching import watched

EXAMPLES = 30
HERE = "http://127.0.0.1:9"


@pytest.fixture
def record(made: Path, tmp_path: Path) -> Path:
    """A copy of the run's manifest."""
    shutil.copytree(made, tmp_path / "record")
    return tmp_path / "record" / "manifest.json"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files, and the user's cache, which is empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("KANDINSKY_CACHE", str(folder / "cache"))
    return folder


Alter = Callable[[dict[str, Any], dict[str, Any]], object]
"""Alters the config and the first image of a record."""

TAKES: dict[str, tuple[Alter, str]] = {
    "an address": (
        lambda config, image: config.update(
            task={"name": "img2img"},
            strength=1.0,
            inputs={"image": f"{HERE}/x.png", "allow_urls": True},
        ),
        f"a picture from {HERE}/x.png",
    ),
    "the hub": (
        lambda config, image: config.update(
            weights={"source": "hub", "decoder": {"repo": "mallory/weights"}}
        ),
        "mallory/weights",
    ),
    "threads": (lambda config, image: config.update(threads=1024), "1024 threads"),
    "pixels": (
        lambda config, image: (config.update(height=4096, width=4096), image.update(height=4096)),
        "pictures of up to 4096 pixels a side",
    ),
    "steps": (
        lambda config, image: (
            config["decoder"].update(num_inference_steps=1000),
            image.update(height=2048, width=2048),
        ),
        "in 1000 steps, which may take long",
    ),
    "memory": (
        lambda config, image: config.update(weights={"source": "random", "size": "release"}),
        "random weights of the published sizes",
    ),
}


@pytest.mark.parametrize(("alter", "said"), TAKES.values(), ids=TAKES)
def test_what_takes_more_is_asked_for(
    record: Path, own: Path, alter: Alter, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(record.read_text())
    alter(content["config"], content["images"][0])
    record.write_text(json.dumps(content))
    with watched(own) as watch:
        assert main(["reproduce", str(record), "--progress", "quiet"]) == 2
    assert watch.seen == []
    told = capsys.readouterr().err
    assert said in told
    assert "--yes" in told


def test_what_a_record_says_of_places_is_not_followed(
    record: Path, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server, an output folder, a function, a file of prompts: nothing of that counts."""
    content = json.loads(record.read_text())
    marker = tmp_path / "marker"
    content["config"] |= {
        "tracking": {"tracker": "mlflow", "uri": HERE, "experiment": "x"},
        "output_dir": str(tmp_path / "elsewhere"),
        "prompt_file": str(tmp_path / "prompts.txt"),
        "metrics": {"evil": {"function": "os.system", "arguments": {"command": f"touch {marker}"}}},
        "cache": {"mode": "use", "max_gb": 0.0},
        "name": "../../x",
        "workers": 64,
        "hydra": {"launcher": {"_target_": "os.system"}},
    }
    record.write_text(json.dumps(content))
    with watched(own) as watch:
        assert main(["reproduce", str(record), "--progress", "quiet"]) == 0
    assert watch.seen == []
    assert "1 of 1 picture the same" in capsys.readouterr().out
    assert sorted(one.name for one in tmp_path.iterdir()) == ["own", "record"]


def test_every_key_is_either_drawn_or_not_taken() -> None:
    """A new key of the config is thought about here: may somebody else's record set it?"""
    not_taken = {
        "tracking", "cache", "metrics", "name", "question", "baseline", "objective", "prompt",
        "prompt_file", "seeds", "workers", "bench", "warmup", "repeats", "output_dir", "progress",
        "report", "resume", "into", "retry", "debug", "axes", "skip_invalid",
        "prompt_template", "prompt_replace", "workers_keep", "graphs",
    }  # fmt: skip
    assert set(Config.__dataclass_fields__) == not_taken | set(DRAWN)


def test_whatever_a_record_says(
    made: Path, own: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each example: one or two values of the manifest are others."""
    whole = (made / "manifest.json").read_text()
    count = len(list(places(json.loads(whole))))
    record = tmp_path / "altered"
    shutil.copytree(made, record)
    shutil.copytree(config_dir() / "experiment" / "inputs", tmp_path / "inputs")
    statuses: list[int] = []

    @settings(SAME, max_examples=EXAMPLES)
    @given(
        st.lists(
            st.tuples(st.integers(1, count - 1), st.sampled_from(VALUES)), min_size=1, max_size=2
        )
    )
    def tried(altered: list[tuple[int, Any]]) -> None:
        content = json.loads(whole)
        for place, value in altered:
            all_places = list(places(content))
            *way, last = all_places[min(place, len(all_places) - 1)]
            inner = content
            for key in way:
                inner = inner[key]
            inner[last] = value
        (record / "manifest.json").write_text(json.dumps(content))
        with watched(own) as watch:
            status = main(["reproduce", str(record), "--progress", "quiet"])
        assert watch.seen == []
        assert status in (0, 1, 2)
        assert "Traceback" not in "".join(capfd.readouterr())
        statuses.append(status)

    tried()
    assert len(statuses) >= EXAMPLES
    print(f"{len(statuses)} records tried, {sum(map(bool, statuses))} told")
