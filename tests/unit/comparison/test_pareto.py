"""The Pareto front, and its plot."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray
from PIL import Image

from helpers.fake_sweeps import Choice, sweep_of
from runner.analysis.comparison.comparing import compare
from runner.analysis.comparison.pareto import Point, on_front
from runner.analysis.comparison.pareto_plot import FRONT, draw_plot
from runner.analysis.figure_config import read_figure


def beaten(one: tuple[float, float], others: list[tuple[float, float]], sign: int) -> bool:
    return any(
        sign * quality >= sign * one[0] and seconds <= one[1] and (quality, seconds) != one
        for quality, seconds in others
    )


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1)])
def test_on_the_front_is_what_no_other_beats(better: str, sign: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        # Few values, so that many are equal.
        numbers = random.integers(0, 5, (random.integers(1, 12), 2)).tolist()
        pairs = [(float(quality), float(seconds)) for quality, seconds in numbers]
        assert on_front(pairs, better) == [not beaten(one, pairs, sign) for one in pairs]


def test_means_are_of_pictures_that_have_both() -> None:
    def score(choice: Choice, prompt: str, seed: int) -> dict[str, float]:
        seconds = {} if seed == 3 else {"seconds": 2.0 if choice["x"] == "a" else 1.0}
        return {"quality": 100.0 if seed == 3 else float(seed), "none": 1.0, **seconds}

    results = sweep_of({"x": ("a", "b")}, score, better={"quality": "lower", "none": None})
    pareto = compare(results).pareto
    assert list(pareto) == ["quality"]
    assert pareto["quality"] == (
        Point({"x": "a"}, 1.0, 2.0, False),
        Point({"x": "b"}, 1.0, 1.0, True),
    )


def made(count: int, values: tuple[str, ...] = ("ddim", "ddpm", "lcm")) -> list[Point]:
    random = np.random.default_rng(count)
    seconds = np.exp(random.uniform(0, 2, count))
    quality = 0.6 + 0.02 * np.log(seconds) + random.normal(0, 0.01, count)
    front = on_front(list(zip(quality, seconds, strict=True)), "higher")
    return [
        Point(
            {"scheduler": values[i % len(values)], "steps": str(i)},
            float(quality[i]),
            float(seconds[i]),
            front[i],
        )
        for i in range(count)
    ]


def pixels(points: list[Point]) -> NDArray[np.uint8]:
    by = ("scheduler", "steps")
    drawn = draw_plot(points, by, points[0].choice, "clip_score", "higher", {})
    with Image.open(io.BytesIO(drawn["png"])) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_each_format_has_its_text_and_its_config(kind: str, tmp_path: Path) -> None:
    points, by = made(5, ("ddim", "синий")), ("scheduler", "steps")
    asked = {"command": "kandinsky compare --by scheduler", "by": by}
    drawn = draw_plot(points, by, points[0].choice, "clip_score", "higher", asked)[kind]
    file = tmp_path / f"plot.{kind}"
    file.write_bytes(drawn)
    told = read_figure(file)
    assert (told["figure"], told["command"]) == ("trade-off plot", asked["command"])
    if kind == "pdf":
        text = pypdfium2.PdfDocument(file)[0].get_textpage().get_text_range()
        assert b"/Type3" not in drawn
    else:
        text = " ".join(re.findall(r"<text[^>]*>([^<]*)", drawn.decode(errors="replace")))
    for wanted in ("ddim, 2", "синий, 3", "seconds an image", "clip_score (higher is better)"):
        assert kind == "png" or wanted in text


def blue(picture: NDArray[np.uint8]) -> int:
    colour = tuple(bytes.fromhex(FRONT[1:]))
    return int((picture == colour).all(axis=2).sum())


def test_few_points_have_their_names_and_many_have_a_key() -> None:
    few, many = pixels(made(5)), pixels(made(30))
    assert many.shape[1] > few.shape[1] + 200
    key = many[:, few.shape[1] + 300 :]
    lines: NDArray[np.bool_] = np.any(np.all(key < 128, axis=2), axis=1)
    # Lines of the key: as often as ink begins from above.
    assert int((lines[1:] & ~lines[:-1]).sum()) >= 25


def test_the_front_is_drawn() -> None:
    points = made(8)
    flat = [Point(p.choice, p.quality, p.seconds, False) for p in points]
    assert blue(pixels(points)) > 500
    legend = blue(pixels(flat))
    assert legend < 200


@pytest.mark.parametrize(
    "name",
    [
        "$x^2",
        r"\frac{",
        "синий",
        "红色",
        "a\nb",
        "\x1b[31m",
        "",
        "w" * 900,
        "<b>&amp;</b>",
        "\ud800",
    ],
    ids=ascii,
)
def test_any_text_can_be_a_label(name: str) -> None:
    picture = pixels(made(4, (name, "ddim")))
    assert (picture < 100).all(axis=2).sum() > 500


def test_one_point_is_a_picture_too() -> None:
    assert blue(pixels(made(1))) > 20
